package schoolbell

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// splitTarget returns the host and port of a target, `host:port` or `dns:///host:port`; ok is false for
// the other forms that gRPC takes, which it resolves in its own way.
func splitTarget(target string) (host, port string, ok bool) {
	for _, scheme := range []string{"dns:///", "dns:"} {
		target = strings.TrimPrefix(target, scheme)
	}
	host, port, err := net.SplitHostPort(target)
	if err != nil || host == "" || strings.ContainsAny(host, "/ @?#\t\r\n") {
		return "", "", false
	}
	number, err := strconv.Atoi(port)
	return host, port, err == nil && number >= 1 && number <= 65535
}

// checkTarget refuses a target that can name no server.
func checkTarget(target string) error {
	if _, _, ok := splitTarget(target); ok {
		return nil
	}
	for _, scheme := range []string{"unix:", "unix-abstract:", "passthrough:", "ipv4:", "ipv6:"} {
		if strings.HasPrefix(target, scheme) {
			return nil
		}
	}
	return fmt.Errorf(
		"schoolbell: the target %q must be host:port, such as %s or [::1]:7443", target, DefaultTarget)
}

// isLoopback tells whether a target is this machine alone; other names are not looked up.
func isLoopback(target string) bool {
	if strings.HasPrefix(target, "unix:") || strings.HasPrefix(target, "unix-abstract:") {
		return true
	}
	host, _, ok := splitTarget(target)
	if !ok {
		return false
	}
	name := strings.ToLower(strings.TrimSuffix(host, "."))
	if name == "localhost" || strings.HasSuffix(name, ".localhost") {
		return true
	}
	address, err := netip.ParseAddr(name)
	return err == nil && address.Unmap().IsLoopback()
}
