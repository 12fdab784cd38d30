package schemas

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
)

// ID is 128 bits, written like a UUID: of webhooks, events, recipients and
// triggers.
type ID [16]byte

// IsZero tells whether the id is not set.
func (id ID) IsZero() bool { return id == ID{} }

// String returns the canonical text of a UUID, in lower case.
func (id ID) String() string { return string(id.AppendText36(make([]byte, 0, 36))) }

// AppendText36 appends the 36 characters of String.
func (id ID) AppendText36(dst []byte) []byte {
	for i, b := range id {
		if i == 4 || i == 6 || i == 8 || i == 10 {
			dst = append(dst, '-')
		}
		dst = append(dst, hexDigits[b>>4], hexDigits[b&15])
	}
	return dst
}

const hexDigits = "0123456789abcdef"

// ParseID parses the text of a UUID: 36 characters with hyphens, or 32 without.
func ParseID(s string) (ID, error) {
	var id ID
	digits := s
	if len(s) == 36 && s[8] == '-' && s[13] == '-' && s[18] == '-' && s[23] == '-' {
		digits = s[:8] + s[9:13] + s[14:18] + s[19:23] + s[24:]
	}
	if len(digits) != 32 {
		return ID{}, fmt.Errorf("%q is no id: want 32 hexadecimal digits, as 01234567-89ab-cdef-0123-456789abcdef", s)
	}
	if _, err := hex.Decode(id[:], []byte(digits)); err != nil {
		return ID{}, fmt.Errorf("%q is no id: %w", s, err)
	}
	return id, nil
}

// MarshalText returns String.
func (id ID) MarshalText() ([]byte, error) { return id.AppendText36(nil), nil }

// UnmarshalText parses as ParseID does.
func (id *ID) UnmarshalText(text []byte) error {
	p, err := ParseID(string(text))
	if err != nil {
		return err
	}
	*id = p
	return nil
}

// RecipientID is the first 128 bits of HMAC-SHA256 with the tenant's secret
// over the address, trimmed of white space and in lower case.
func RecipientID(secret []byte, address string) ID {
	h := hmac.New(sha256.New, secret)
	h.Write([]byte(strings.ToLower(strings.TrimSpace(address))))
	var sum [sha256.Size]byte
	return ID(h.Sum(sum[:0])[:16])
}
