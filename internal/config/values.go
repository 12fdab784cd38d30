package config

import (
	"fmt"
	"strconv"
	"strings"
)

// Size is a number of bytes, written such as 10MiB, 64KiB or 4096.
type Size int64

var units = []struct {
	suffix string
	bytes  Size
}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"B", 1}}

// Set parses text.
func (s *Size) Set(text string) error {
	number, factor := strings.TrimSpace(text), Size(1)
	for _, u := range units {
		if rest, ok := strings.CutSuffix(number, u.suffix); ok {
			number, factor = strings.TrimSpace(rest), u.bytes
			break
		}
	}
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil || n < 0 || n > (1<<62)/int64(factor) {
		return fmt.Errorf("bad size %q: write such as 10MiB, 64KiB or 4096", text)
	}
	*s = Size(n) * factor
	return nil
}

// String writes the size in the largest unit that divides it.
func (s Size) String() string {
	for _, u := range units {
		if s != 0 && s%u.bytes == 0 && u.bytes > 1 {
			return strconv.FormatInt(int64(s/u.bytes), 10) + u.suffix
		}
	}
	return strconv.FormatInt(int64(s), 10)
}

// Type names the type in --help.
func (s *Size) Type() string { return "size" }

// UnmarshalText is Set, for YAML.
func (s *Size) UnmarshalText(b []byte) error { return s.Set(string(b)) }

// MarshalText is String, for YAML.
func (s Size) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Choice is true, false, or left to whoever reads it: auto.
type Choice struct{ made, value bool }

// Or returns what was chosen, or what is the default where nothing was.
func (c Choice) Or(otherwise bool) bool {
	if c.made {
		return c.value
	}
	return otherwise
}

// Set parses text.
func (c *Choice) Set(text string) error {
	switch strings.TrimSpace(text) {
	case "true":
		*c = Choice{made: true, value: true}
	case "false":
		*c = Choice{made: true}
	case "auto", "":
		*c = Choice{}
	default:
		return fmt.Errorf("bad choice %q: write true, false or auto", text)
	}
	return nil
}

func (c Choice) String() string {
	if !c.made {
		return "auto"
	}
	return strconv.FormatBool(c.value)
}

// Type names the type in --help.
func (c *Choice) Type() string { return "true, false or auto" }

// UnmarshalText is Set, for YAML.
func (c *Choice) UnmarshalText(b []byte) error { return c.Set(string(b)) }

// MarshalText is String, for YAML.
func (c Choice) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// list is a flag value that each Set replaces as a whole, so that a flag wins
// over the environment instead of adding to it.
type list struct{ to *[]string }

func (l list) Set(text string) error {
	var items []string
	for item := range strings.SplitSeq(text, ",") {
		if item = strings.TrimSpace(item); item != "" {
			items = append(items, item)
		}
	}
	*l.to = items
	return nil
}

func (l list) String() string {
	if l.to == nil {
		return ""
	}
	return strings.Join(*l.to, ",")
}

func (l list) Type() string { return "list" }

// secretValue sets a secret's text from a flag or variable.
type secretValue struct{ to *Secret }

func (v secretValue) Set(text string) error { *v.to = Secret{Inline: text}; return nil }
func (v secretValue) String() string        { return "" }
func (v secretValue) Type() string          { return "text" }
