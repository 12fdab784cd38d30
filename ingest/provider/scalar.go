package provider

import (
	"net/netip"
	"strings"
	"unsafe"

	"github.com/posthorn/posthorn/ingest/provider/jsonscan"
	"github.com/posthorn/posthorn/schemas"
)

// These read a field leniently: numbers come as strings and strings as numbers,
// and a field of an unexpected type counts as absent, so that it costs nothing
// but itself.

// text reads a string; a number gives its digits as sent.
func text(v *jsonscan.Value) string {
	if v.Kind == jsonscan.String || v.Kind == jsonscan.Number {
		return v.Text()
	}
	return ""
}

// identifier reads an id, as text since ids exceed 2^53; 0 means none.
func identifier(v *jsonscan.Value) string {
	var s string
	switch v.Kind {
	case jsonscan.String:
		s = strings.TrimSpace(v.Text())
	case jsonscan.Number:
		s = integer(v.Raw)
	}
	if s == "0" || s == "-0" {
		return ""
	}
	return s
}

// integer returns the decimal digits of a JSON number that is whole, however it
// is written (1.5e3), and "" for any other or one of more than 40 digits.
func integer(raw []byte) string {
	i := 0
	for i < len(raw) && (raw[i] == '-' || '0' <= raw[i] && raw[i] <= '9') {
		i++
	}
	if i == len(raw) {
		return unsafe.String(unsafe.SliceData(raw), len(raw))
	}
	const limit = 40
	digits, point, exponent := append([]byte(nil), raw[:i]...), 0, 0
	for rest := raw[i:]; len(rest) > 0; rest = rest[1:] {
		switch c := rest[0]; {
		case c == 'e' || c == 'E':
			exponent = smallInt(rest[1:])
			rest = rest[:1]
		case c != '.':
			digits = append(digits, c)
			point++
		}
	}
	for ; exponent > point; point++ {
		if digits = append(digits, '0'); len(digits) > limit {
			return ""
		}
	}
	for ; exponent < point; point-- {
		last := len(digits) - 1
		if last < 1 || digits[last] != '0' {
			return ""
		}
		digits = digits[:last]
	}
	for len(digits) > 1 && digits[0] == '0' {
		digits = digits[1:]
	}
	if len(digits) > limit {
		return ""
	}
	return string(digits)
}

// smallInt reads an exponent; anything large gives 1000.
func smallInt(b []byte) int {
	sign, n := 1, 0
	for _, c := range b {
		switch {
		case c == '-':
			sign = -1
		case c != '+':
			n = min(n*10+int(c-'0'), 1000)
		}
	}
	return sign * n
}

// boolean reads true, 1, "true" and "1" as true.
func boolean(v *jsonscan.Value) bool {
	switch s := v.Raw; v.Kind {
	case jsonscan.Bool, jsonscan.Number, jsonscan.String:
		return string(s) == "true" || string(s) == "1"
	}
	return false
}

// unixSeconds reads seconds since 1970, with or without a fraction, and the
// resolution in ms it was given in. Without a time that fits it returns zero.
func unixSeconds(v *jsonscan.Value) (_ schemas.Timestamp, precisionMS int32) {
	if len(v.Raw) == 10 && v.Kind == jsonscan.Number { // Any time from 2001 to 2286.
		if n, ok := tenDigits(v.Raw); ok {
			return schemas.Timestamp(n * 1e6), 1000
		}
	}
	var s string
	switch v.Kind {
	case jsonscan.Number:
		s = v.Text()
		if strings.ContainsAny(s, "eE") {
			s = integer(v.Raw)
		}
	case jsonscan.String:
		s = strings.TrimSpace(v.Text())
	}
	whole, fraction, _ := strings.Cut(s, ".")
	negative := strings.HasPrefix(whole, "-")
	whole = strings.TrimPrefix(whole, "-")
	if whole == "" || len(whole) > 12 {
		return 0, 0
	}
	var micros int64
	for i := range len(whole) + 6 {
		c := byte('0')
		if i < len(whole) {
			c = whole[i]
		} else if j := i - len(whole); j < len(fraction) {
			c = fraction[j]
		}
		if c < '0' || c > '9' {
			return 0, 0
		}
		micros = micros*10 + int64(c-'0')
	}
	precisionMS = 1000
	if fraction != "" {
		precisionMS = 1
	}
	if negative {
		micros = -micros
	}
	return schemas.Timestamp(micros), precisionMS
}

func tenDigits(b []byte) (n int64, ok bool) {
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int64(c-'0')
	}
	return n, true
}

// country reads an ISO 3166 alpha-2 code; what geolocation says for "somewhere
// in Europe" or "unknown" is none.
func country(v *jsonscan.Value) string {
	s := strings.ToUpper(strings.TrimSpace(text(v)))
	if len(s) != 2 || s[0] < 'A' || s[0] > 'Z' || s[1] < 'A' || s[1] > 'Z' {
		return ""
	}
	switch s {
	case "EU", "AP", "XX", "ZZ":
		return ""
	}
	return s
}

// ipAddress reads an IP address, as sent.
func ipAddress(v *jsonscan.Value) string {
	s := strings.TrimSpace(text(v))
	if _, err := netip.ParseAddr(s); err != nil {
		return ""
	}
	return s
}

// domainOf returns the domain of an address in lower case, or "".
func domainOf(address string) string {
	at := strings.LastIndexByte(address, '@')
	if at < 0 {
		return ""
	}
	return strings.ToLower(strings.TrimRight(strings.TrimSpace(address[at+1:]), ">."))
}
