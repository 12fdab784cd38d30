package upload

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/klauspost/compress/zstd"
	"github.com/twmb/avro"
	"github.com/twmb/avro/ocf"
)

// all reads an upload to its end, as text.
func all(t testing.TB, r io.Reader, o Options) (got []string, end error) {
	t.Helper()
	u, err := Open(r, o)
	if err != nil {
		return nil, err
	}
	defer u.Close()
	for {
		ev, err := u.Next()
		var one *Fault
		switch {
		case errors.As(err, &one):
			if one.Detail == "" {
				t.Errorf("no detail: %+v", one)
			}
			got = append(got, fmt.Sprint(one.Number, " !", one.Reason))
		case err == io.EOF:
			return got, nil
		case err != nil:
			return got, err
		default:
			got = append(got, fmt.Sprint(ev.Number, " ", string(ev.JSON)))
		}
	}
}

func TestForms(t *testing.T) {
	long := strings.Repeat("x", 90)
	for _, c := range []struct {
		name, text string
		format     Format
		want       []string
		end        string // what the error says
	}{
		{"lines", "{\"a\":1}\r\n\n \t\n{\"a\":2}", NDJSON, []string{`1 {"a":1}`, `4 {"a":2}`}, ""},
		{"byte order mark", "\xef\xbb\xbf{}\n{}\n", NDJSON, []string{`1 {}`, `2 {}`}, ""},
		{"nothing", "", NDJSON, nil, ""},
		{"a long line", "{}\n" + long + "\n{}\n", NDJSON, []string{`1 {}`, `2 !too_large`, `3 {}`}, ""},
		{"a long line at the end", "{}\n" + long, NDJSON, []string{`1 {}`, `2 !too_large`}, ""},
		{"a line as long as may be", strings.Repeat("y", 64) + "\r\n{}", NDJSON, []string{"1 " + strings.Repeat("y", 64), `2 {}`}, ""},
		{"array", ` [ {"a":[1,{"b":"]}\""}]} , 7,"x" ,null,{"a" : 1} ] ` + "\n", JSON, []string{`0 {"a":[1,{"b":"]}\""}]}`, `1 7`, `2 "x"`, `3 null`, `4 {"a" : 1}`}, ""},
		{"empty array", "[ ]", JSON, nil, ""},
		{"object", ` {"a":1} `, JSON, []string{`0 {"a":1}`}, ""},
		{"an element that is long", `[1,"` + long + `",[2]]`, JSON, []string{`0 1`, `1 !too_large`, `2 [2]`}, ""},
		{"byte order mark and array", "\xef\xbb\xbf[1]", JSON, []string{`0 1`}, ""},
		{"no comma", `[{"a":1}{"b":2}]`, JSON, nil, "separated by commas"},
		{"a comma too many", `[1,]`, JSON, nil, "not expected"},
		{"cut array", `[1,2`, JSON, []string{`0 1`}, "cut off"},
		{"cut element", `[1,{"a":`, JSON, []string{`0 1`}, "cut off"},
		{"cut behind a comma", `[1,`, JSON, nil, "cut off"},
		{"only the beginning", `[`, JSON, nil, "cut off"},
		{"behind the end", `[1] x`, JSON, []string{`0 1`}, "behind the end"},
		{"two objects", `{} {}`, JSON, []string{`0 {}`}, "x-ndjson"},
		{"mismatched", `[{"a":1]]`, JSON, nil, "not JSON"},
		{"empty", " ", JSON, nil, "empty"},
		{"depth", "[" + strings.Repeat("[", 600) + strings.Repeat("]", 600) + "]", JSON, []string{"0 !too_large"}, ""},
		{"guess: array", " \n[1]", Auto, []string{`0 1`}, ""},
		{"guess: lines", "{}\n{}", Auto, []string{`1 {}`, `2 {}`}, ""},
		{"guess: an object over lines", "{\n\"a\":1}", Auto, []string{"0 {\n\"a\":1}"}, ""},
		{"guess: nothing", "", Auto, nil, ""},
		{"table", "\xef\xbb\xbftype, email,\"a\"\"b\"\nopened,a@b,\"x\ny\"\nclicked,,\n", CSV, []string{`2 {"type":"opened","email":"a@b","a\"b":"x\u000ay"}`, `4 {"type":"clicked"}`}, ""},
		{"semicolons", "type;n\nopened;1,5\n", CSV, []string{`2 {"type":"opened","n":"1,5"}`}, ""},
		{"rows of other lengths", "a,b\n1\n1,2,3\n1,2\n", CSV, []string{`2 !bad_csv`, `3 !bad_csv`, `4 {"a":"1","b":"2"}`}, ""},
		{"a stray quote", "a,b\n1,x\"y\n3,4\n", CSV, []string{`2 !bad_csv`, `3 {"a":"3","b":"4"}`}, ""},
		{"invalid UTF-8", "a\n\xff\n", CSV, []string{`2 {"a":"` + "\ufffd" + `"}`}, ""},
		{"a quote that is not closed", "a,b\n1,\"" + strings.Repeat("z\n", 100_000), CSV, nil, "not closed"},
		{"no header", "", CSV, nil, "empty"},
		{"a name twice", "a,b,a\n", CSV, nil, "twice"},
	} {
		t.Run(c.name, func(t *testing.T) {
			for name, r := range map[string]io.Reader{"at once": strings.NewReader(c.text), "bytewise": iotest.OneByteReader(strings.NewReader(c.text)), "with the end": iotest.DataErrReader(strings.NewReader(c.text))} {
				got, end := all(t, r, Options{Format: c.format, MaxEvent: 64})
				if !slices.Equal(got, c.want) {
					t.Errorf("%s: got  %q\nwant %q", name, got, c.want)
				}
				var bad *Error
				switch {
				case c.end == "" && end != nil, c.end != "" && (!errors.As(end, &bad) || !strings.Contains(end.Error(), c.end)):
					t.Errorf("%s: ends with %v, want %q", name, end, c.end)
				}
			}
		})
	}
	deep := strings.Repeat("[", 600) + strings.Repeat("]", 600)
	if _, end := all(t, strings.NewReader("["+deep+"]"), Options{Format: JSON}); end == nil || !strings.Contains(end.Error(), "too deeply") {
		t.Errorf("600 levels: %v", end)
	}
}

func TestWhatReadingFailsWith(t *testing.T) {
	gone := errors.New("the sender is gone")
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	for i := range 1000 {
		fmt.Fprintf(w, "{\"a\":%d}\n", i*i*i)
	}
	w.Close()
	for name, text := range map[string]string{"lines": "{}\n{}", "array": "[1,", "gzip": packed.String()[:900], "container": string(containerOf(t, ocf.SnappyCodec(), 100))[:300]} {
		if _, end := all(t, io.MultiReader(strings.NewReader(text), iotest.ErrReader(gone)), Options{}); !errors.Is(end, gone) {
			t.Errorf("%s: %v", name, end)
		}
	}
}

var eventSchema = avro.MustParse(`{"type":"record","name":"Event","fields":[
	{"name":"type","type":{"type":"enum","name":"Type","symbols":["opened","clicked"]}},
	{"name":"recipient","type":["null","string"]},
	{"name":"occurred_at","type":{"type":"long","logicalType":"timestamp-micros"}},
	{"name":"tags","type":{"type":"array","items":"string"}},
	{"name":"metadata","type":["null",{"type":"map","values":"string"}]}]}`)

func containerOf(t testing.TB, codec ocf.Codec, n int) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := ocf.NewWriter(&b, eventSchema, ocf.WithCodec(codec), ocf.WithBlockCount(20))
	if err != nil {
		t.Fatal(err)
	}
	for i := range n {
		if err := w.Encode(map[string]any{"type": "opened", "recipient": fmt.Sprintf("r%d@example.com", i), "occurred_at": int64(1772359200250000 + i), "tags": []any{"a"}, "metadata": map[string]any{"k": "v"}}); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestContainer(t *testing.T) {
	packed, err := ocf.ZstdCodec(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, codec := range map[string]ocf.Codec{"deflate": ocf.DeflateCodec(5), "snappy": ocf.SnappyCodec(), "zstandard": packed} {
		got, end := all(t, bytes.NewReader(containerOf(t, codec, 50)), Options{})
		if end != nil || len(got) != 50 {
			t.Fatalf("%s: %d events, %v", name, len(got), end)
		}
		var ev map[string]any
		number, text, _ := strings.Cut(got[49], " ")
		if err := json.Unmarshal([]byte(text), &ev); err != nil {
			t.Fatal(err)
		}
		if number != "49" || fmt.Sprint(ev) != "map[metadata:map[k:v] occurred_at:1.772359200250049e+15 recipient:r49@example.com tags:[a] type:opened]" {
			t.Errorf("%s: %s %v", name, number, ev)
		}
	}
	cut := containerOf(t, ocf.SnappyCodec(), 50)
	got, end := all(t, bytes.NewReader(cut[:len(cut)-40]), Options{})
	var bad *Error
	if len(got) != 40 || !errors.As(end, &bad) || bad.Number != 40 || bad.Reason != ReasonBadAvro {
		t.Errorf("cut: %d events, %v", len(got), end)
	}
	var b bytes.Buffer
	if _, err := ocf.NewWriter(&b, avro.MustParse(`"string"`)); err != nil {
		t.Fatal(err)
	}
	if _, end = all(t, bytes.NewReader(b.Bytes()), Options{}); !errors.As(end, &bad) {
		t.Errorf("a container of strings: %v", end)
	}
}

func TestBombs(t *testing.T) {
	spaces := bytes.Repeat([]byte(" "), 80<<20)
	var zipped, zst bytes.Buffer
	w := gzip.NewWriter(&zipped)
	_, _ = w.Write(spaces)
	w.Close()
	z, err := zstd.NewWriter(&zst, zstd.WithWindowSize(1<<20))
	if err != nil {
		t.Fatal(err)
	}
	_, _ = z.Write(spaces)
	z.Close()
	var wide bytes.Buffer
	z, err = zstd.NewWriter(&wide, zstd.WithWindowSize(64<<20))
	if err != nil {
		t.Fatal(err)
	}
	_, _ = z.Write(spaces)
	z.Close()
	for _, c := range []struct {
		name, reason string
		text         []byte
	}{{"gzip", ReasonBomb, zipped.Bytes()}, {"zstd", ReasonBomb, zst.Bytes()}, {"zstd with a large window", ReasonBadCompression, wide.Bytes()}} {
		_, end := all(t, bytes.NewReader(c.text), Options{Format: NDJSON})
		var bad *Error
		if !errors.As(end, &bad) || bad.Reason != c.reason {
			t.Errorf("%s of %d bytes: %v", c.name, len(c.text), end)
		}
	}
}
