package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// schema is a parsed Avro schema, of the part of Avro that the generator
// supports: everything but unions other than ["null", X], float, and recursion.
type schema struct {
	kind    string // record, enum, fixed, array, map, nullable, or the primitive's name
	logical string // timestamp-micros or empty

	name, namespace, doc string // record, enum, fixed
	aliases              []string
	fields               []field
	symbols              []string
	fallback             string // an enum's default symbol
	size                 int
	elem                 *schema // array items, map values, the X of ["null", X]
	open                 bool    // still being parsed
}

type field struct {
	name, doc string
	aliases   []string
	fallback  json.RawMessage
	typ       *schema
}

func (s *schema) fullName() string { return s.namespace + "." + s.name }

// rawSchema is the JSON of a schema or, in part, of a field. Unknown attributes
// are refused: they are most often a misspelling.
type rawSchema struct {
	Type        json.RawMessage `json:"type"`
	Name        string          `json:"name"`
	Namespace   *string         `json:"namespace"`
	Doc         string          `json:"doc"`
	Aliases     []string        `json:"aliases"`
	Fields      []rawSchema     `json:"fields"`
	Symbols     []string        `json:"symbols"`
	Default     json.RawMessage `json:"default"`
	Size        int             `json:"size"`
	Items       json.RawMessage `json:"items"`
	Values      json.RawMessage `json:"values"`
	LogicalType string          `json:"logicalType"`
}

// parser parses schemas and keeps the named types of all files together.
type parser struct {
	named map[string]*schema
	order []*schema // in the order of definition
}

// parse parses one schema; ns is the namespace that encloses it.
func (p *parser) parse(raw json.RawMessage, ns string) (*schema, error) {
	switch raw = bytes.TrimSpace(raw); {
	case len(raw) == 0:
		return nil, errors.New("there is no type")
	case raw[0] == '"':
		var name string
		if err := json.Unmarshal(raw, &name); err != nil {
			return nil, err
		}
		return p.reference(name, ns)
	case raw[0] == '[':
		return p.union(raw, ns)
	}
	var r rawSchema
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&r); err != nil {
		return nil, err
	}
	var kind string
	if json.Unmarshal(r.Type, &kind) != nil {
		return p.parse(r.Type, ns) // a type in a type, as {"type": {"type": ...}}
	}
	switch kind {
	case "record", "enum", "fixed":
		return p.define(kind, &r, ns)
	case "array", "map":
		return p.container(kind, &r, ns)
	}
	s, err := p.reference(kind, ns)
	if err != nil || r.LogicalType == "" {
		return s, err
	}
	if kind != "long" || r.LogicalType != "timestamp-micros" {
		return nil, fmt.Errorf("logical type %s of %s is not supported", r.LogicalType, kind)
	}
	return &schema{kind: "long", logical: r.LogicalType}, nil
}

func (p *parser) reference(name, ns string) (*schema, error) {
	switch name {
	case "string", "bytes", "boolean", "int", "long", "double":
		return &schema{kind: name}, nil
	case "null", "float":
		return nil, fmt.Errorf("type %s is not supported here", name)
	}
	if !strings.Contains(name, ".") {
		name = ns + "." + name
	}
	s, ok := p.named[name]
	if !ok {
		return nil, fmt.Errorf("type %s is not known", name)
	}
	if s.open {
		return nil, fmt.Errorf("type %s contains itself, which is not supported", name)
	}
	return s, nil
}

func (p *parser) union(raw json.RawMessage, ns string) (*schema, error) {
	var branches []json.RawMessage
	if err := json.Unmarshal(raw, &branches); err != nil {
		return nil, err
	}
	if len(branches) != 2 || string(bytes.TrimSpace(branches[0])) != `"null"` {
		return nil, fmt.Errorf(`union %s is not supported, only ["null", X]`, raw)
	}
	elem, err := p.parse(branches[1], ns)
	if err != nil {
		return nil, err
	}
	switch elem.kind {
	case "nullable", "enum", "boolean", "double":
		return nil, fmt.Errorf(`["null", %s] is not supported: its zero value is not null`, elem.kind)
	}
	return &schema{kind: "nullable", elem: elem}, nil
}

func (p *parser) container(kind string, r *rawSchema, ns string) (*schema, error) {
	raw := r.Items
	if kind == "map" {
		raw = r.Values
	}
	elem, err := p.parse(raw, ns)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", kind, err)
	}
	if kind == "array" && elem.minSize() == 0 {
		// A corrupted count could not be checked against the bytes left.
		return nil, errors.New("array: items that take no bytes are not supported")
	}
	return &schema{kind: kind, elem: elem}, nil
}

// define parses the definition of a named type. One that is known already must
// be the same.
func (p *parser) define(kind string, r *rawSchema, ns string) (*schema, error) {
	if r.Namespace != nil {
		ns = *r.Namespace
	}
	s := &schema{kind: kind, name: r.Name, namespace: ns, doc: r.Doc, aliases: r.Aliases,
		symbols: r.Symbols, size: r.Size, open: true}
	before := p.named[s.fullName()]
	if before != nil && before.open {
		return nil, fmt.Errorf("type %s is defined within itself", s.fullName())
	}
	p.named[s.fullName()] = s
	for i := range r.Fields {
		f, err := p.field(&r.Fields[i], ns)
		if err != nil {
			return nil, fmt.Errorf("field %s of %s: %w", r.Fields[i].Name, s.name, err)
		}
		s.fields = append(s.fields, f)
	}
	if kind == "enum" && r.Default != nil {
		if err := json.Unmarshal(r.Default, &s.fallback); err != nil {
			return nil, fmt.Errorf("default of %s: %w", s.name, err)
		}
	}
	s.open = false
	if before != nil {
		if before.json() != s.json() {
			return nil, fmt.Errorf("type %s is defined twice and differs:\n%s\n%s", s.fullName(), before.json(), s.json())
		}
		p.named[s.fullName()] = before
		return before, nil
	}
	p.order = append(p.order, s)
	return s, nil
}

func (p *parser) field(r *rawSchema, ns string) (field, error) {
	t, err := p.parse(r.Type, ns)
	if err != nil {
		return field{}, err
	}
	if t.kind == "nullable" && string(r.Default) != "null" {
		return field{}, errors.New(`a ["null", X] needs the default null`)
	}
	return field{name: r.Name, doc: r.Doc, aliases: r.Aliases, fallback: r.Default, typ: t}, nil
}

// minSize is the least number of bytes that a value takes.
func (s *schema) minSize() int {
	switch s.kind {
	case "fixed":
		return s.size
	case "double":
		return 8
	case "record":
		n := 0
		for _, f := range s.fields {
			n += f.typ.minSize()
		}
		return n
	}
	return 1
}

// holdsBytes tells whether a value may hold bytes, its bulk then.
func (s *schema) holdsBytes() bool {
	switch s.kind {
	case "bytes":
		return true
	case "array", "map", "nullable":
		return s.elem.holdsBytes()
	}
	for _, f := range s.fields {
		if f.typ.holdsBytes() {
			return true
		}
	}
	return false
}
