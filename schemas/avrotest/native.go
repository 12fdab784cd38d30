// Package avrotest checks generated record types against goavro, an
// implementation of Avro that shares nothing with them. It is for tests.
package avrotest

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"pgregory.net/rapid"
)

// node is a parsed schema, as much of it as making values takes.
type node struct {
	kind, logical string
	name          string // full name
	fields        []fieldNode
	symbols       []string
	size          int
	elem          *node
}

type fieldNode struct {
	name string
	typ  *node
}

func parse(schema string) *node {
	var v any
	if err := json.Unmarshal([]byte(schema), &v); err != nil {
		panic(err)
	}
	return build(v, "", map[string]*node{})
}

func build(v any, ns string, named map[string]*node) *node {
	switch v := v.(type) {
	case string:
		if n, ok := named[v]; ok {
			return n
		}
		if n, ok := named[ns+"."+v]; ok {
			return n
		}
		return &node{kind: v}
	case []any:
		return &node{kind: "union", elem: build(v[1], ns, named)}
	}
	m := v.(map[string]any)
	n := &node{kind: m["type"].(string)}
	n.logical, _ = m["logicalType"].(string)
	if name, ok := m["name"].(string); ok {
		if own, ok := m["namespace"].(string); ok {
			ns = own
		}
		n.name = strings.TrimPrefix(ns+"."+name, ".")
		named[n.name] = n
	}
	switch n.kind {
	case "record":
		for _, f := range m["fields"].([]any) {
			f := f.(map[string]any)
			n.fields = append(n.fields, fieldNode{f["name"].(string), build(f["type"], ns, named)})
		}
	case "enum":
		for _, s := range m["symbols"].([]any) {
			n.symbols = append(n.symbols, s.(string))
		}
	case "fixed":
		n.size = int(m["size"].(float64))
	case "array":
		n.elem = build(m["items"], ns, named)
	case "map":
		n.elem = build(m["values"], ns, named)
	}
	return n
}

// branch is goavro's name of the type in a union.
func (n *node) branch() string {
	switch {
	case n.name != "":
		return n.name
	case n.logical != "":
		return n.kind + "." + n.logical
	}
	return n.kind
}

// draw makes a value in the form that goavro takes and gives.
func (n *node) draw(t *rapid.T) any {
	switch n.kind {
	case "string":
		return rapid.String().Draw(t, "string")
	case "bytes":
		return rapid.SliceOfN(rapid.Byte(), 0, 40).Draw(t, "bytes")
	case "boolean":
		return rapid.Bool().Draw(t, "boolean")
	case "int":
		return rapid.Int32().Draw(t, "int")
	case "double":
		return rapid.Float64().Draw(t, "double")
	case "long":
		if n.logical != "" {
			// goavro counts in nanoseconds: 1900 to 2200.
			return time.UnixMicro(rapid.Int64Range(-22e14, 72e14).Draw(t, "time")).UTC()
		}
		return rapid.Int64().Draw(t, "long")
	case "enum":
		return rapid.SampledFrom(n.symbols).Draw(t, "symbol")
	case "fixed":
		return rapid.SliceOfN(rapid.Byte(), n.size, n.size).Draw(t, "fixed")
	case "array":
		items := []any{}
		for range rapid.IntRange(0, 5).Draw(t, "items") {
			items = append(items, n.elem.draw(t))
		}
		return items
	case "map":
		entries := map[string]any{}
		for range rapid.IntRange(0, 5).Draw(t, "entries") {
			entries[rapid.String().Draw(t, "key")] = n.elem.draw(t)
		}
		return entries
	case "union":
		if rapid.Bool().Draw(t, "null") {
			return nil
		}
		return map[string]any{n.elem.branch(): n.elem.draw(t)}
	case "record":
		rec := map[string]any{}
		for _, f := range n.fields {
			rec[f.name] = f.typ.draw(t)
		}
		return rec
	}
	panic("avrotest: kind " + n.kind)
}

// normal replaces what the Go types take for null by null.
func (n *node) normal(v any) any {
	switch n.kind {
	case "array":
		items := []any{}
		for _, item := range v.([]any) {
			items = append(items, n.elem.normal(item))
		}
		return items
	case "map":
		entries := map[string]any{}
		for k, item := range v.(map[string]any) {
			entries[k] = n.elem.normal(item)
		}
		return entries
	case "record":
		rec := map[string]any{}
		for _, f := range n.fields {
			rec[f.name] = f.typ.normal(v.(map[string]any)[f.name])
		}
		return rec
	case "union":
		if v == nil {
			return nil
		}
		item := v.(map[string]any)[n.elem.branch()]
		if n.elem.zeroIsNull(item) {
			return nil
		}
		return map[string]any{n.elem.branch(): n.elem.normal(item)}
	case "bytes":
		if len(v.([]byte)) == 0 {
			return []byte{}
		}
	}
	return v
}

func (n *node) zeroIsNull(v any) bool {
	switch n.kind {
	case "string":
		return v.(string) == ""
	case "bytes":
		return len(v.([]byte)) == 0
	case "int":
		return v.(int32) == 0
	case "long":
		return n.logical != "" && v.(time.Time).UnixMicro() == 0
	case "array":
		return len(v.([]any)) == 0
	case "map":
		return len(v.(map[string]any)) == 0
	case "fixed":
		return strings.Trim(string(v.([]byte)), "\x00") == ""
	}
	return false
}

// String names the schema in failures.
func (n *node) String() string { return fmt.Sprintf("%s %s", n.kind, n.name) }
