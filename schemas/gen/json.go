package main

import (
	"bytes"
	"encoding/json"
	"strings"
)

// json writes the schema as JSON that stands alone: a named type is defined
// where it is first used, even if it was parsed from another place.
func (s *schema) json() string {
	var b strings.Builder
	s.write(&b, "", map[string]bool{})
	return b.String()
}

func (s *schema) write(b *strings.Builder, ns string, seen map[string]bool) {
	switch s.kind {
	case "record", "enum", "fixed":
		s.writeNamed(b, ns, seen)
	case "array":
		b.WriteString(`{"type":"array","items":`)
		s.elem.write(b, ns, seen)
		b.WriteString(`}`)
	case "map":
		b.WriteString(`{"type":"map","values":`)
		s.elem.write(b, ns, seen)
		b.WriteString(`}`)
	case "nullable":
		b.WriteString(`["null",`)
		s.elem.write(b, ns, seen)
		b.WriteString(`]`)
	default:
		if s.logical != "" {
			b.WriteString(`{"type":` + quote(s.kind) + `,"logicalType":` + quote(s.logical) + `}`)
			return
		}
		b.WriteString(quote(s.kind))
	}
}

func (s *schema) writeNamed(b *strings.Builder, ns string, seen map[string]bool) {
	if seen[s.fullName()] {
		name := s.name
		if s.namespace != ns {
			name = s.fullName()
		}
		b.WriteString(quote(name))
		return
	}
	seen[s.fullName()] = true
	b.WriteString(`{"type":` + quote(s.kind) + `,"name":` + quote(s.name))
	if s.namespace != ns {
		b.WriteString(`,"namespace":` + quote(s.namespace))
	}
	writeDoc(b, s.doc)
	writeStrings(b, "aliases", s.aliases)
	switch s.kind {
	case "record":
		b.WriteString(`,"fields":[`)
		for i := range s.fields {
			if i > 0 {
				b.WriteByte(',')
			}
			s.fields[i].write(b, s.namespace, seen)
		}
		b.WriteByte(']')
	case "enum":
		writeStrings(b, "symbols", s.symbols)
		if s.fallback != "" {
			b.WriteString(`,"default":` + quote(s.fallback))
		}
	case "fixed":
		n, _ := json.Marshal(s.size)
		b.WriteString(`,"size":` + string(n))
	}
	b.WriteByte('}')
}

func (f *field) write(b *strings.Builder, ns string, seen map[string]bool) {
	b.WriteString(`{"name":` + quote(f.name) + `,"type":`)
	f.typ.write(b, ns, seen)
	if f.fallback != nil {
		var c bytes.Buffer
		if json.Compact(&c, f.fallback) == nil {
			b.WriteString(`,"default":` + c.String())
		}
	}
	writeDoc(b, f.doc)
	writeStrings(b, "aliases", f.aliases)
	b.WriteByte('}')
}

func writeDoc(b *strings.Builder, doc string) {
	if doc != "" {
		b.WriteString(`,"doc":` + quote(doc))
	}
}

func writeStrings(b *strings.Builder, name string, v []string) {
	if len(v) == 0 {
		return
	}
	b.WriteString(`,` + quote(name) + `:[`)
	for i, s := range v {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(quote(s))
	}
	b.WriteByte(']')
}

func quote(s string) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(s) // a string cannot fail
	return strings.TrimSuffix(b.String(), "\n")
}
