package schoolbell

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

const (
	keyPrefix      = "sb_"
	longestKeyFile = 64 * 1024 // bytes
)

// ReadKey returns the API key that a file holds, in UTF-8 or UTF-16. Space and line ends around the key
// do not matter. The error says where no key is and why, but not what is there instead.
func ReadKey(path string) (string, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("schoolbell: the key file cannot be read: %w", err)
	}
	defer file.Close()
	raw, err := io.ReadAll(io.LimitReader(file, longestKeyFile+1))
	if err != nil {
		return "", fmt.Errorf("schoolbell: the key file cannot be read: %w", err)
	}
	where := "the key file " + path
	if len(raw) > longestKeyFile {
		return "", noKey(where, fmt.Sprintf("it is longer than %d bytes", longestKeyFile))
	}
	text, ok := decode(raw)
	if !ok {
		return "", noKey(where, "it is no text")
	}
	key := strings.TrimSpace(text)
	switch {
	case key == "":
		return "", noKey(where, "it is empty")
	case !strings.HasPrefix(key, keyPrefix):
		return "", noKey(where, "one begins with "+keyPrefix)
	}
	return key, checkKey(key, where)
}

// checkKey refuses a key that no call can carry; where names what holds it.
func checkKey(key, where string) error {
	bad := strings.IndexFunc(key, func(r rune) bool { return r < '!' || r > '~' })
	if bad < 0 {
		return nil
	}
	trimmed := strings.TrimRight(key, "\r\n")
	lines := len(strings.FieldsFunc(trimmed, func(r rune) bool { return r == '\r' || r == '\n' }))
	switch {
	case lines > 1:
		return noKey(where, fmt.Sprintf("it has %d lines", lines))
	case trimmed != key:
		return noKey(where, "it ends with a line end, perhaps of Windows")
	case strings.ContainsFunc(key, unicode.IsSpace):
		return noKey(where, "it has spaces")
	}
	return noKey(where, "it has characters that are not printable ASCII")
}

func noKey(where, fault string) error {
	return fmt.Errorf("schoolbell: %s holds no API key: %s", where, fault)
}

// decode returns the text of a file in UTF-8 or UTF-16, with a byte-order mark or without.
func decode(raw []byte) (string, bool) {
	switch {
	case bytes.HasPrefix(raw, []byte{0xEF, 0xBB, 0xBF}):
		raw = raw[3:]
	case bytes.HasPrefix(raw, []byte{0xFF, 0xFE}):
		return decodeUTF16(raw[2:], binary.LittleEndian)
	case bytes.HasPrefix(raw, []byte{0xFE, 0xFF}):
		return decodeUTF16(raw[2:], binary.BigEndian)
	case len(raw) >= 2 && raw[1] == 0:
		return decodeUTF16(raw, binary.LittleEndian)
	case len(raw) >= 2 && raw[0] == 0:
		return decodeUTF16(raw, binary.BigEndian)
	}
	return string(raw), utf8.Valid(raw)
}

func decodeUTF16(raw []byte, order binary.ByteOrder) (string, bool) {
	if len(raw)%2 != 0 {
		return "", false
	}
	units := make([]uint16, len(raw)/2)
	for i := range units {
		units[i] = order.Uint16(raw[2*i:])
	}
	return string(utf16.Decode(units)), true
}
