package upload

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/twmb/avro/ocf"
)

// fuzzed reads an upload to its end. Numbers must grow.
func fuzzed(t *testing.T, body []byte, o Options) (events []string, faults int, end error) {
	u, err := Open(bytes.NewReader(body), o)
	if err != nil {
		return nil, 0, err
	}
	defer u.Close()
	before := int64(-1)
	for {
		ev, err := u.Next()
		var one *Fault
		number := ev.Number
		switch {
		case errors.As(err, &one):
			number = one.Number
			faults++
		case err == io.EOF:
			return events, faults, nil
		case err != nil:
			return events, faults, err
		case len(ev.JSON) == 0 || len(ev.JSON) > o.MaxEvent:
			t.Fatalf("an event of %d bytes", len(ev.JSON))
		default:
			events = append(events, string(ev.JSON))
		}
		if number <= before {
			t.Fatalf("number %d behind %d", number, before)
		}
		before = number
	}
}

// FuzzLines: what is read are the lines that are not empty.
func FuzzLines(f *testing.F) {
	for _, s := range []string{"", "{}\n{}", "\xef\xbb\xbf{}\r\n\r\n{}", strings.Repeat("x", 300) + "\n{}", "\n\n \n"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		if bytes.HasPrefix(body, gzipMagic) || bytes.HasPrefix(body, zstdMagic) {
			return
		}
		events, faults, end := fuzzed(t, body, Options{Format: NDJSON, MaxEvent: 200, Buffer: 64})
		if end != nil {
			t.Fatal(end)
		}
		var want []string
		long := 0
		for i, line := range bytes.Split(body, []byte("\n")) {
			if len(bytes.TrimRight(line, "\r\n")) > 200 {
				long++
				continue
			}
			if i == 0 {
				line = bytes.TrimPrefix(line, byteOrderMark)
			}
			if line = bytes.Trim(line, " \t\r"); len(line) > 0 {
				want = append(want, string(line))
			}
		}
		if faults != long || strings.Join(events, "\n") != strings.Join(want, "\n") {
			t.Fatalf("%d faults and %q, want %d and %q", faults, events, long, want)
		}
	})
}

// FuzzArray: encoding/json says what an array is, and its elements.
func FuzzArray(f *testing.F) {
	for _, s := range []string{"[]", "[{}]", `[1,"a\"]",{"b":[]}]`, "[1,]", "[1 2]", "[[]", "[{\"a\":1]]", " [ true , null ] ", "{}", "7", "[\"\\ud800\"]", "[1]x", "\xef\xbb\xbf[]"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		if bytes.HasPrefix(body, gzipMagic) || bytes.HasPrefix(body, zstdMagic) || bytes.Count(body, []byte("["))+bytes.Count(body, []byte("{")) > 500 {
			return
		}
		events, faults, end := fuzzed(t, body, Options{Format: JSON, MaxEvent: 1 << 20, Buffer: 64})
		text := bytes.TrimPrefix(body, byteOrderMark)
		var want []json.RawMessage
		valid := json.Valid(text)
		if valid != (end == nil) || faults > 0 {
			t.Fatalf("valid %v, but ends with %v after %d faults", valid, end, faults)
		}
		if !valid {
			return
		}
		if json.Unmarshal(text, &want) != nil || want == nil {
			want = []json.RawMessage{bytes.TrimSpace(text)}
		}
		if len(events) != len(want) {
			t.Fatalf("%d elements, want %d", len(events), len(want))
		}
		for i := range want {
			if events[i] != string(bytes.TrimSpace(want[i])) {
				t.Fatalf("element %d is %q, want %q", i, events[i], want[i])
			}
		}
	})
}

// FuzzContainer: whatever is read is JSON.
func FuzzContainer(f *testing.F) {
	f.Add(containerOf(f, ocf.DeflateCodec(5), 5))
	f.Add(containerOf(f, ocf.SnappyCodec(), 30))
	f.Add([]byte("Obj\x01"))
	f.Fuzz(func(t *testing.T, body []byte) {
		events, _, _ := fuzzed(t, body, Options{Format: OCF, MaxEvent: 1 << 20})
		for _, ev := range events {
			if !json.Valid([]byte(ev)) {
				t.Fatalf("not JSON: %s", ev)
			}
		}
	})
}

// FuzzTable: every row that encoding/csv reads is an object of its cells.
func FuzzTable(f *testing.F) {
	for _, s := range []string{"a,b\n1,2\n", "a\n\"x\ny\"\n", "a;b\n1;\"\"\n", "a,b\n1\n\"", "\xef\xbb\xbfa\n\xff\n"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		if bytes.HasPrefix(body, gzipMagic) || bytes.HasPrefix(body, zstdMagic) {
			return
		}
		events, _, end := fuzzed(t, body, Options{Format: CSV, MaxEvent: 1 << 20})
		if end != nil {
			return
		}
		line, _, _ := bytes.Cut(bytes.TrimPrefix(body, byteOrderMark), []byte("\n"))
		want := csv.NewReader(bytes.NewReader(bytes.TrimPrefix(body, byteOrderMark)))
		for _, c := range ";\t" {
			if bytes.Count(line, []byte(string(c))) > bytes.Count(line, []byte(string(max(want.Comma, ',')))) {
				want.Comma = c
			}
		}
		var header []string
		for i := 0; ; {
			row, err := want.Read()
			if err == io.EOF {
				if i != len(events) {
					t.Fatalf("%d events, want %d", len(events), i)
				}
				return
			}
			if err != nil {
				continue
			}
			if header == nil {
				header = row
				continue
			}
			var got map[string]string
			if err := json.Unmarshal([]byte(events[i]), &got); err != nil {
				t.Fatal(err)
			}
			for j, cell := range row {
				name := string([]rune(strings.TrimSpace(header[j])))
				if len(got) < len(row) {
					continue // empty cells, or names that differ in what is not UTF-8
				}
				if got[name] != string([]rune(cell)) {
					t.Fatalf("%s is %q, want %q", name, got[name], cell)
				}
			}
			i++
		}
	})
}

// FuzzInflate: whatever it is, it ends, and in bounds.
func FuzzInflate(f *testing.F) {
	f.Add([]byte("\x1f\x8b\x08\x00"))
	f.Add([]byte("\x28\xb5\x2f\xfd\x04\x00\x11\x00\x00{}"))
	f.Fuzz(func(t *testing.T, body []byte) {
		fuzzed(t, body, Options{MaxEvent: 1 << 16})
	})
}
