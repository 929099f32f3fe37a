package example.schoolbell;

import java.util.Locale;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Where a connection leads.
 *
 * @param host a name or an address, that of IPv6 without brackets
 * @param port from 1 to 65535
 */
record Target(String host, int port) {
    private static final Pattern FORM =
        Pattern.compile("(?:dns:(?:///)?)?(?:\\[([0-9A-Fa-f:.]+)]|([^\\[\\]:/@?#\\s]+)):([0-9]{1,5})");
    private static final Pattern LOOPBACK =
        Pattern.compile("127(?:\\.[0-9]{1,3}){3}|(?:0{0,4}:){2,7}0{0,3}1|::ffff:127(?:\\.[0-9]{1,3}){3}");

    /** Reads {@code host:port} or {@code dns:///host:port}; refuses what can name no server. */
    static Target of(String text) {
        Matcher found = FORM.matcher(text);
        if (found.matches()) {
            int port = Integer.parseInt(found.group(3));
            if (port >= 1 && port <= 65_535) {
                return new Target(found.group(1) == null ? found.group(2) : found.group(1), port);
            }
        }
        throw new BadConnectionException("the target \"" + text + "\" must be host:port, such as "
            + Connection.DEFAULT_TARGET + " or [::1]:7443");
    }

    /** Tells whether it is this machine alone; other names are not looked up. */
    boolean isLoopback() {
        String name = host.toLowerCase(Locale.ROOT).replaceFirst("\\.$", "");
        return name.equals("localhost") || name.endsWith(".localhost") || LOOPBACK.matcher(name).matches();
    }

    /** Returns it as gRPC takes it. */
    String forGrpc() {
        return "dns:///" + (host.contains(":") ? "[" + host + "]" : host) + ":" + port;
    }
}
