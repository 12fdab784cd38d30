package jsonscan

import (
	"encoding/binary"
	"fmt"
	"math/bits"
)

// MaxDepth is how deep arrays and objects may be nested.
const MaxDepth = 512

// SyntaxError says what is wrong with a text that is not JSON, and where.
type SyntaxError struct {
	Offset int // in bytes
	Msg    string
}

func (e *SyntaxError) Error() string { return fmt.Sprintf("%s at byte %d", e.Msg, e.Offset) }

// Parse checks that b is one JSON value and nothing else, and returns it. The
// error is a *[SyntaxError].
func Parse(b []byte) (Value, error) {
	p := parser{b: b}
	p.space()
	start := p.i
	if p.value(0); p.msg == "" {
		end := p.i
		if p.space(); p.i == len(b) {
			return root(b[start:end]), nil
		}
		p.fail("unexpected text after the value")
	}
	return Value{}, &SyntaxError{Offset: p.at, Msg: p.msg}
}

// parser checks a text. After the first fault msg is set, and all methods
// return at once.
type parser struct {
	b   []byte
	i   int
	at  int
	msg string
}

func (p *parser) fail(msg string) {
	if p.msg == "" {
		p.msg, p.at = msg, p.i
		if p.i >= len(p.b) {
			p.msg = "unexpected end"
		}
	}
}

func isSpace(c byte) bool { return c == ' ' || c == '\n' || c == '\t' || c == '\r' }

func (p *parser) space() {
	for p.i < len(p.b) && isSpace(p.b[p.i]) {
		p.i++
	}
}

func (p *parser) value(depth int) {
	if p.i >= len(p.b) {
		p.fail("")
		return
	}
	switch c := p.b[p.i]; {
	case c == '"':
		p.string()
	case c == '{' || c == '[':
		if depth == MaxDepth {
			p.fail("nested too deeply")
			return
		}
		p.i++
		if c == '{' {
			p.object(depth + 1)
		} else {
			p.array(depth + 1)
		}
	case c == '-' || '0' <= c && c <= '9':
		p.number()
	case c == 't':
		p.literal("true")
	case c == 'f':
		p.literal("false")
	case c == 'n':
		p.literal("null")
	default:
		p.fail("unexpected character")
	}
}

func (p *parser) literal(s string) {
	for j := range len(s) {
		if p.i >= len(p.b) || p.b[p.i] != s[j] {
			p.fail("unexpected character")
			return
		}
		p.i++
	}
}

func (p *parser) array(depth int) {
	if p.space(); p.take(']') {
		return
	}
	for {
		p.value(depth)
		p.space()
		switch {
		case p.msg != "":
			return
		case p.take(','):
			p.space()
		case p.take(']'):
			return
		default:
			p.fail("expected , or ]")
			return
		}
	}
}

func (p *parser) object(depth int) {
	if p.space(); p.take('}') {
		return
	}
	for {
		if p.i >= len(p.b) || p.b[p.i] != '"' {
			p.fail("expected a member name")
			return
		}
		p.string()
		p.space()
		if p.msg == "" && !p.take(':') {
			p.fail("expected :")
		}
		if p.msg != "" {
			return
		}
		p.space()
		p.value(depth)
		p.space()
		switch {
		case p.msg != "":
			return
		case p.take(','):
			p.space()
		case p.take('}'):
			return
		default:
			p.fail("expected , or }")
			return
		}
	}
}

func (p *parser) take(c byte) bool {
	if p.i < len(p.b) && p.b[p.i] == c {
		p.i++
		return true
	}
	return false
}

func (p *parser) string() {
	b := p.b
	for i := p.i + 1; ; i++ {
		i = special(b, i)
		p.i = i
		switch {
		case i >= len(b):
			p.fail("")
			return
		case b[i] == '"':
			p.i++
			return
		case b[i] != '\\':
			p.fail("control character in a string")
			return
		}
		if i = p.escape(i + 1); i < 0 {
			return
		}
	}
}

// escape checks the escape whose letter stands at i, and returns the place of
// its last character, or -1.
func (p *parser) escape(i int) int {
	if p.i = i; i >= len(p.b) {
		p.fail("")
		return -1
	}
	switch p.b[i] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return i
	case 'u':
		for range 4 {
			i++
			if p.i = i; i >= len(p.b) || !isHex(p.b[i]) {
				p.fail("bad escape")
				return -1
			}
		}
		return i
	}
	p.fail("bad escape")
	return -1
}

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}

func (p *parser) digits() {
	start := p.i
	for p.i < len(p.b) && '0' <= p.b[p.i] && p.b[p.i] <= '9' {
		p.i++
	}
	if p.i == start {
		p.fail("bad number")
	}
}

func (p *parser) number() {
	p.take('-')
	if !p.take('0') {
		p.digits()
	}
	if p.take('.') {
		p.digits()
	}
	if p.msg == "" && (p.take('e') || p.take('E')) {
		if !p.take('+') {
			p.take('-')
		}
		p.digits()
	}
}

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// marks returns a word whose lowest set bit is the top bit of the first byte of
// w, in memory order, that is a quote, a backslash or a control character; zero
// if there is none. Bits above the lowest may be wrong: a borrow runs upwards.
func marks(w uint64) uint64 {
	quote := w ^ ones*'"'
	slash := w ^ ones*'\\'
	return ((quote-ones)&^quote | (slash-ones)&^slash | (w-ones*' ')&^w) & highs
}

// special returns the place of the first quote, backslash or control character
// of b from i on, or len(b).
func special(b []byte, i int) int {
	for ; i+8 <= len(b); i += 8 {
		if m := marks(binary.LittleEndian.Uint64(b[i:])); m != 0 {
			return i + bits.TrailingZeros64(m)>>3
		}
	}
	for i < len(b) && b[i] != '"' && b[i] != '\\' && b[i] >= ' ' {
		i++
	}
	return i
}
