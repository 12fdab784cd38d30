package provider

import (
	"bytes"
	"errors"
	"fmt"
	"mime/multipart"
	"net/url"
	"strings"
	"testing"
)

const formType = "application/x-www-form-urlencoded"

// urlEncoded is a form's body; fields are names and values in turn.
func urlEncoded(fields ...string) string {
	var pairs []string
	for i := 0; i < len(fields); i += 2 {
		pairs = append(pairs, url.QueryEscape(fields[i])+"="+url.QueryEscape(fields[i+1]))
	}
	return strings.Join(pairs, "&")
}

// inParts is the same as parts, with its content type.
func inParts(t testing.TB, fields ...string) (contentType, body string) {
	t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for i := 0; i < len(fields); i += 2 {
		if err := w.WriteField(fields[i], fields[i+1]); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return w.FormDataContentType(), b.String()
}

func TestParseForm(t *testing.T) {
	kind, parts := inParts(t, "a", "1 & 2", "b", "", "a", "é")
	file := "--x\r\nContent-Disposition: form-data; name=\"f\"; filename=\"a.txt\"\r\n\r\nmuch\r\n--x\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n--x--\r\n"
	for _, c := range []struct{ contentType, body, want string }{
		{formType, "a=1+%26+2&b=&a=%C3%A9", "[{a 1 & 2} {b } {a é}]"},
		{formType + "; charset=utf-8", "a=1\r\n", "[{a 1}]"},
		{"", "a=1&b", "[{a 1} {b }]"},
		{"", "a=1&=2&b=%zz&%z=3&c=4", "[{a 1} {c 4}]"},
		{kind, parts, "[{a 1 & 2} {b } {a é}]"},
		{"", parts, "[{a 1 & 2} {b } {a é}]"},
		{kind, parts[:len(parts)-90], "[{a 1 & 2} {b }]"},
		{"multipart/form-data; boundary=x", file, "[{a 1}]"},
		{"multipart/form-data; boundary=x", "no parts", "[] it holds no fields"},
		{formType, "", "[] it holds no fields"},
		{formType, "&&=", "[] it holds no fields"},
		{formType, strings.Repeat("a=1&", maxFormFields+1), "[] it has more fields than any provider sends"},
	} {
		f, err := parseForm(c.contentType, []byte(c.body))
		got := fmt.Sprint(f)
		if err != nil {
			got += " " + err.Error()
		}
		if got != c.want {
			t.Errorf("%s %.60q:\n got %s\nwant %s", c.contentType, c.body, got, c.want)
		}
	}
	many := make([]string, 2*(maxFormFields+1))
	for i := range many {
		many[i] = "a"
	}
	kind, parts = inParts(t, many...)
	if _, err := parseForm(kind, []byte(parts)); !errors.Is(err, errTooManyFields) {
		t.Errorf("%d parts: %v", maxFormFields+1, err)
	}
}

func TestFormValues(t *testing.T) {
	f := form{{"a", ""}, {"a", "2"}, {"b", "x\xff"}, {"c", "3"}}
	got := fmt.Sprintf("%q %q %q %q %q %q", f.all("a"), f.first("a", "c"), f.first("b"), f.last("a"), f.last("z"), f.first("z"))
	if want := `["" "2"] "3" "x` + "\ufffd" + `" "2" "" ""`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// FuzzForm: no body makes more fields than there may be, or costs more memory than
// its own size.
func FuzzForm(f *testing.F) {
	_, parts := inParts(f, "a", "1", "b", "2")
	f.Add("", []byte(parts))
	f.Add("multipart/form-data; boundary=x", []byte("--x\r\nContent-Disposition: form-data; name=a\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n=41\r\n--x--"))
	f.Add(formType, []byte("a=1&b=%41%zz&c"))
	f.Fuzz(func(t *testing.T, contentType string, body []byte) {
		fields, err := parseForm(contentType, body)
		size := 0
		for _, field := range fields {
			size += len(field.name) + len(field.value)
		}
		if len(fields) > maxFormFields || size > 4*len(body) || (err == nil) != (len(fields) > 0) {
			t.Fatalf("%d fields, %d bytes of %d, error %v", len(fields), size, len(body), err)
		}
	})
}
