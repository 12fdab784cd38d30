package jsonscan

import (
	"bytes"
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
)

// tree builds what encoding/json would with UseNumber, by walking v.
func tree(v Value) any {
	switch v.Kind {
	case Null:
		return nil
	case Bool:
		return v.Text() == "true"
	case Number:
		return json.Number(v.Text())
	case String:
		return v.Text()
	case Array:
		list := []any{}
		for es := v.Elements(); es.Next(); {
			if members, ok := es.Object(); ok && len(list)%2 == 0 {
				list = append(list, object(members)) // Every other one, to end both ways.
			} else {
				list = append(list, tree(es.Value()))
			}
		}
		return list
	case Object:
		return object(v.Members())
	}
	panic("no kind")
}

func object(members Members) map[string]any {
	m := map[string]any{}
	var name, e Value
	for members.Next(&name, &e) {
		m[name.Text()] = tree(e)
	}
	return m
}

// agree compares this package with encoding/json on one text.
func agree(t *testing.T, text []byte) {
	t.Helper()
	before := bytes.Clone(text)
	v, err := Parse(text)
	if valid := json.Valid(text); valid != (err == nil) {
		if err != nil && strings.Contains(err.Error(), "nested too deeply") {
			return
		}
		t.Fatalf("%q: encoding/json says valid=%v, Parse says %v", text, valid, err)
	}
	if err != nil {
		var syntax *SyntaxError
		if !errors.As(err, &syntax) || syntax.Offset < 0 || syntax.Offset > len(text) {
			t.Fatalf("%q: error %#v", text, err)
		}
		return
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	var want any
	if err := dec.Decode(&want); err != nil {
		return // Valid, but refused by Decode.
	}
	if got := tree(v); !reflect.DeepEqual(got, want) {
		t.Fatalf("%q: got %#v, want %#v", text, got, want)
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, text); err != nil {
		t.Fatal(err)
	}
	if got := v.AppendCompact(nil); !bytes.Equal(got, compact.Bytes()) {
		t.Fatalf("%q: compact %q, want %q", text, got, compact.Bytes())
	}
	if !bytes.Equal(before, text) {
		t.Fatalf("%q was changed to %q", before, text)
	}
}

var texts = []string{
	``, ` `, `null`, `true`, `false`, `nul`, `truE`, `0`, `-0`, `01`, `-`, `1.`, `.5`, `1.5`, `1e5`, `1E+5`, `1e`, `1e-`, `+1`,
	`104427216766056450`, `19421777835146490.0`, `1e400`, `NaN`, `Infinity`,
	`""`, `"`, `"\"`, `"\\"`, `"\/"`, `"\b\f\n\r\t"`, `"\x"`, `"\u00e9"`, `"\u00E9"`, `"\u00g9"`, `"\u12"`, `"\`,
	`"\ud83d\ude00"`, `"\ud83d"`, `"\ude00\ud83d"`, `"\ud83d\u0041"`, `"\ud83dabc"`, `"\ud83d\n"`,
	"\"a\nb\"", "\"a\x1fb\"", "\"a\x7fb\"", "\"\xff\xfe\"", "\"\xe2\x82\"", "\"é€😀\"", "\"01234567\x018\"", `"012345678901234567890"`, `"01234567\"90"`,
	`[]`, `[ ]`, `[1]`, `[1,2]`, `[1,]`, `[,]`, `[1 2]`, `[`, `[1`, `[1,`, `]`, `[[[]]]`, `[{},{"a":[]}]`,
	`{}`, `{ }`, `{"a":1}`, `{"a":1,"a":2}`, `{"a"}`, `{"a":}`, `{"a":1,}`, `{a:1}`, `{`, `{"a`, `{"a":`, `{"a":1`, `}`, `{1:2}`,
	` { "a" : [ 1 , { "b" : "}]" } ] , "c\u0064" : null } `, `{"a":"[\"{"}`, `{} {}`, `{}x`, `[]]`, "\ufeff{}", `{"x":1}` + "\x00",
	strings.Repeat("[", MaxDepth) + strings.Repeat("]", MaxDepth),
	strings.Repeat("[", MaxDepth+1) + strings.Repeat("]", MaxDepth+1),
	strings.Repeat(`{"a":`, 100000),
}

func TestAgreesWithEncodingJSON(t *testing.T) {
	for _, s := range texts {
		agree(t, []byte(s))
	}
}

func FuzzAgreesWithEncodingJSON(f *testing.F) {
	for _, s := range texts {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) { agree(t, text) })
}

func TestDepthIsBounded(t *testing.T) {
	nested := func(n int) []byte { return []byte(strings.Repeat("[", n) + strings.Repeat("]", n)) }
	if _, err := Parse(nested(MaxDepth)); err != nil {
		t.Errorf("depth %d: %v", MaxDepth, err)
	}
	if _, err := Parse(nested(MaxDepth + 1)); err == nil {
		t.Errorf("depth %d was accepted", MaxDepth+1)
	}
}

func TestErrorsSayWhere(t *testing.T) {
	for text, want := range map[string]string{
		`{"a":1,}`:     "expected a member name at byte 7",
		`[1 2]`:        "expected , or ] at byte 3",
		`{"a" 1}`:      "expected : at byte 5",
		`[1,2`:         "unexpected end at byte 4",
		`{} x`:         "unexpected text after the value at byte 3",
		`"\q"`:         "bad escape at byte 2",
		"\"a\nb\"":     "control character in a string at byte 2",
		`-x`:           "bad number at byte 1",
		`<html></html`: "unexpected character at byte 0",
		``:             "unexpected end at byte 0",
	} {
		if _, err := Parse([]byte(text)); err == nil || err.Error() != want {
			t.Errorf("%q: got %v, want %s", text, err, want)
		}
	}
}

func TestRawTextKeepsBytes(t *testing.T) {
	for text, want := range map[string]string{
		`"a\/b"`:             "a/b",
		`"A\ud83d\ude00"`:    "A😀",
		"\"\xff\\n\"":        "\xff\n",
		`104427216766056450`: "104427216766056450",
		`true`:               "true",
	} {
		v, err := Parse([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if got := v.AppendRaw(nil); string(got) != want {
			t.Errorf("%s: raw %q, want %q", text, got, want)
		}
		if got := v.Bytes(); string(got) != want {
			t.Errorf("%s: bytes %q, want %q", text, got, want)
		}
	}
}
