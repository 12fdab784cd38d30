package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"go.yaml.in/yaml/v4"

	"github.com/posthorn/posthorn/processor/delivery/body"
)

// Document is a template of JSON: names and values, or a list, written where it is
// used, or the path of a file that holds them as YAML or JSON. Its texts are
// templates; package body says of what.
type Document struct {
	File   string
	inline *yaml.Node
}

// maxDocument bounds a file of a template.
const maxDocument = 1 << 20

// IsZero tells whether nothing is configured.
func (d Document) IsZero() bool { return d.File == "" && d.inline == nil }

// UnmarshalYAML takes the document as it stands, or the path of its file.
func (d *Document) UnmarshalYAML(node *yaml.Node) error {
	*d = Document{}
	switch node.Kind {
	case yaml.MappingNode, yaml.SequenceNode:
		d.inline = node
	case yaml.ScalarNode:
		d.File = node.Value
	default:
		return errors.New("bad template: want names and values, or the path of a file")
	}
	return nil
}

// MarshalYAML writes it as it was read.
func (d Document) MarshalYAML() (any, error) {
	switch {
	case d.inline != nil:
		return d.inline, nil
	case d.File != "":
		return d.File, nil
	}
	return nil, nil
}

func (d *Document) relativeTo(dir string) {
	if d.File != "" && !filepath.IsAbs(d.File) {
		d.File = filepath.Join(dir, d.File)
	}
}

// Template reads and checks the template; nil where none is configured. A problem
// of a file names it.
func (d *Document) Template() (*body.Template, error) {
	if d.IsZero() {
		return nil, nil
	}
	var document any
	if d.inline != nil {
		if err := d.inline.Decode(&document); err != nil {
			return nil, err
		}
		return body.New(document)
	}
	text, err := readBounded(d.File)
	if err != nil {
		return nil, err
	}
	if err := yaml.Load(text, &document); err != nil {
		return nil, fmt.Errorf("%s: %w", d.File, err)
	}
	t, err := body.New(document)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", d.File, err)
	}
	return t, nil
}

func readBounded(file string) ([]byte, error) {
	info, err := os.Stat(file)
	if err != nil {
		return nil, fmt.Errorf("reading template: %w", err)
	}
	if info.Size() > maxDocument {
		return nil, fmt.Errorf("template %s has %d bytes, more than %d", file, info.Size(), maxDocument)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("reading template: %w", err)
	}
	return text, nil
}

// document checks a template; each of its problems names the place in it.
func (v *validation) document(field string, d *Document) {
	_, err := d.Template()
	if err == nil {
		return
	}
	for _, one := range flatten(err) {
		at := field
		var place *body.Error
		if d.inline != nil && errors.As(one, &place) && place.Path != "" {
			if place.Path[0] != '[' {
				at += "."
			}
			v.errs = append(v.errs, &FieldError{at + place.Path, place.Err.Error(), "", one})
			continue
		}
		v.errs = append(v.errs, &FieldError{at, one.Error(), "", one})
	}
}

// flatten lists the errors that were joined.
func flatten(err error) []error {
	if many, ok := err.(interface{ Unwrap() []error }); ok {
		return many.Unwrap()
	}
	return []error{err}
}
