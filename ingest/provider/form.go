package provider

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/url"
	"strings"
)

// maxFormFields bounds what is made of a body: those that providers post have some
// twenty fields, and the sender's own.
const maxFormFields = 1000

// form is a posted form: its fields in the order they came, a name as often as it
// was sent.
type form []formField

type formField struct{ name, value string }

var (
	errTooManyFields = errors.New("it has more fields than any provider sends")
	errNoFields      = errors.New("it holds no fields")
)

// parseForm reads a form, urlencoded or of several parts. A field that can't be
// decoded costs itself alone; so does the end of a body that was cut.
func parseForm(contentType string, body []byte) (form, error) {
	var f form
	var err error
	if boundary := boundaryOf(contentType, body); boundary != "" {
		f, err = parseParts(boundary, body)
	} else {
		f, err = parseURLEncoded(string(body))
	}
	if err == nil && len(f) == 0 {
		err = errNoFields
	}
	return f, err
}

// boundaryOf returns what separates the parts of a multipart body, or "". A body
// whose content type was lost shows it in its first line.
func boundaryOf(contentType string, body []byte) string {
	kind, params, err := mime.ParseMediaType(contentType)
	if err == nil && strings.HasPrefix(kind, "multipart/") && params["boundary"] != "" {
		return params["boundary"]
	}
	line, _, found := bytes.Cut(body, []byte("\r\n"))
	if boundary, ok := bytes.CutPrefix(line, []byte("--")); ok && found && len(boundary) <= 70 {
		return strings.TrimSpace(string(boundary))
	}
	return ""
}

func parseURLEncoded(body string) (f form, _ error) {
	for pair := range strings.SplitSeq(strings.Trim(body, " \t\r\n"), "&") {
		name, value, _ := strings.Cut(pair, "=")
		name, err := url.QueryUnescape(name)
		if err != nil || name == "" {
			continue
		}
		if value, err = url.QueryUnescape(value); err != nil {
			continue
		}
		if len(f) == maxFormFields {
			return nil, errTooManyFields
		}
		f = append(f, formField{name, value})
	}
	return f, nil
}

// parseParts leaves files out.
func parseParts(boundary string, body []byte) (f form, _ error) {
	for parts := multipart.NewReader(bytes.NewReader(body), boundary); ; {
		part, err := parts.NextPart()
		if err != nil {
			return f, nil
		}
		if len(f) == maxFormFields {
			return nil, errTooManyFields
		}
		if part.FormName() == "" || part.FileName() != "" {
			continue
		}
		value, err := io.ReadAll(part)
		if err != nil {
			return f, nil
		}
		f = append(f, formField{part.FormName(), string(value)})
	}
}

// all returns the values of a name, in order.
func (f form) all(name string) (values []string) {
	for _, field := range f {
		if field.name == name {
			values = append(values, strings.ToValidUTF8(field.value, "\ufffd"))
		}
	}
	return values
}

// first returns the first value of the first of the names that has one.
func (f form) first(names ...string) string {
	for _, name := range names {
		if values := f.all(name); len(values) > 0 && values[0] != "" {
			return values[0]
		}
	}
	return ""
}

// last returns the last value of a name.
func (f form) last(name string) string {
	if values := f.all(name); len(values) > 0 {
		return values[len(values)-1]
	}
	return ""
}

// isJSON tells whether a body is JSON, by what was said of it or what it begins
// with: no form begins so.
func isJSON(contentType string, body []byte) bool {
	text := bytes.TrimLeft(bytes.TrimPrefix(body, byteOrderMark), " \t\r\n")
	if len(text) > 0 && (text[0] == '{' || text[0] == '[') {
		return true
	}
	kind, _, _ := strings.Cut(contentType, ";")
	return strings.HasSuffix(strings.ToLower(strings.TrimSpace(kind)), "json")
}
