package schoolbell

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const goodKey = "sb_0123456789abcdef_AAAA"

func TestAKeyFileIsReadInAnyEncoding(t *testing.T) {
	for name, raw := range map[string]string{
		"plain":            goodKey,
		"lines":            " " + goodKey + "\r\n\r\n",
		"UTF-8 mark":       "\xef\xbb\xbf" + goodKey + "\n",
		"UTF-16 LE":        "\xff\xfe" + wide(goodKey+"\r\n", true),
		"UTF-16 BE":        "\xfe\xff" + wide(goodKey, false),
		"UTF-16 LE, plain": wide(goodKey, true),
		"UTF-16 BE, plain": wide(goodKey, false),
	} {
		t.Run(name, func(t *testing.T) {
			key, err := ReadKey(written(t, raw))
			if err != nil || key != goodKey {
				t.Fatalf("read %q, %v", key, err)
			}
		})
	}
}

func TestAFileWithoutAKeyIsNamed(t *testing.T) {
	for raw, fault := range map[string]string{
		"":                              "it is empty",
		"\xff\xfe":                      "it is empty",
		goodKey + "\n" + goodKey:        "it has 2 lines",
		goodKey + " " + goodKey:         "it has spaces",
		goodKey + "\xe9":                "it is no text",
		goodKey + "é":                   "not printable ASCII",
		"-----BEGIN CERTIFICATE-----\n": "one begins with sb_",
		"sb_" + strings.Repeat("x", longestKeyFile): "longer than 65536 bytes",
	} {
		path := written(t, raw)
		_, err := ReadKey(path)
		if err == nil || !strings.Contains(err.Error(), fault) || !strings.Contains(err.Error(), path) {
			t.Errorf("%q: %v", raw[:min(len(raw), 40)], err)
		}
		if err != nil && strings.Contains(err.Error(), goodKey) {
			t.Errorf("the message tells the key: %v", err)
		}
	}
}

func TestAConnectionThatCanNeverWorkIsRefused(t *testing.T) {
	for name, connection := range map[string]Connection{
		"a carriage return": {Key: goodKey + "\r"},
		"two lines":         {Key: goodKey + "\n" + goodKey},
		"no port":           {Target: "schoolbell.example"},
		"a URL":             {Target: "https://schoolbell.example:443"},
		"port 0":            {Target: "schoolbell.example:0"},
		"a CA of no PEM":    {CA: []byte("nonsense")},
		"far plaintext":     {Target: "schoolbell.example:443", Plaintext: true},
	} {
		if _, err := NewClient(connection); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestLoopbackTargets(t *testing.T) {
	for target, want := range map[string]bool{
		"localhost:7443": true, "LOCALHOST.:1": true, "api.localhost:1": true, "127.9.9.9:1": true,
		"[::1]:7443": true, "[::ffff:127.0.0.1]:1": true, "dns:///localhost:1": true,
		"unix:/run/schoolbell.sock": true, "schoolbell.example:443": false, "10.0.0.1:7443": false,
		"localhost.example:443": false, "notlocalhost:1": false, "[2001:db8::1]:7443": false,
	} {
		if got := isLoopback(target); got != want {
			t.Errorf("%s: %v", target, got)
		}
	}
}

func written(t *testing.T, raw string) string {
	path := filepath.Join(t.TempDir(), "publisher.key")
	if err := os.WriteFile(path, []byte(raw), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// wide returns ASCII text in UTF-16.
func wide(text string, little bool) string {
	var made strings.Builder
	for _, char := range []byte(text) {
		if little {
			made.Write([]byte{char, 0})
		} else {
			made.Write([]byte{0, char})
		}
	}
	return made.String()
}
