package main

import (
	"fmt"
	"strconv"
	"strings"
)

// named writes the Go type of a named schema and its methods.
func (w *writer) named(s *schema) {
	switch s.kind {
	case "enum":
		w.enum(s)
	case "fixed":
		w.comment(s.name, s.doc)
		w.f("type %s [%d]byte\n", s.name, s.size)
	case "record":
		w.record(s)
		w.appendMethod(s)
		w.readMethod(s)
	}
}

// comment writes a doc comment that starts with the name.
func (w *writer) comment(name, doc string) {
	w.f("// %s: %s", name, firstOf(doc, "see the schema."))
}

func firstOf(a, b string) string {
	if a != "" {
		return strings.ReplaceAll(a, "\n", " ")
	}
	return b
}

func (w *writer) enum(s *schema) {
	w.imports["fmt"] = true
	w.comment(s.name, s.doc)
	w.f("type %s int32\n", s.name)
	w.f("// The symbols of %s.\nconst (", s.name)
	for i, sym := range s.symbols {
		if i == 0 {
			w.f("%s %s = iota", s.name+goName(sym), s.name)
		} else {
			w.f("%s", s.name+goName(sym))
		}
	}
	w.f(")\n")
	table := strings.ToLower(s.name[:1]) + s.name[1:] + "Symbols"
	w.f("var %s = [...]string{", table)
	for _, sym := range s.symbols {
		w.f("%q,", sym)
	}
	w.f("}\n")
	w.f("// String returns the symbol.\nfunc (v %s) String() string {", s.name)
	w.f("if uint32(v) < uint32(len(%s)) {\nreturn %s[v]\n}", table, table)
	w.f("return fmt.Sprintf(\"%s(%%d)\", int32(v))\n}\n", s.name)
	w.f("// Parse%s returns the value of a symbol, and whether there is one.", s.name)
	w.f("func Parse%s(symbol string) (%s, bool) {\nfor i, s := range %s {", s.name, s.name, table)
	w.f("if s == symbol {\nreturn %s(i), true\n}\n}\nreturn 0, false\n}\n", s.name)
	w.f("// MarshalText returns the symbol.")
	w.f("func (v %s) MarshalText() ([]byte, error) { return []byte(v.String()), nil }\n", s.name)
	w.f("// UnmarshalText parses a symbol.\nfunc (v *%s) UnmarshalText(text []byte) error {", s.name)
	w.f("p, ok := Parse%s(string(text))\nif !ok {", s.name)
	w.f("return fmt.Errorf(\"%%q is no %s\", text)\n}\n*v = p\nreturn nil\n}\n", s.name)
}

func (w *writer) record(s *schema) {
	w.comment(s.name, s.doc)
	w.f("type %s struct {", s.name)
	for i := range s.fields {
		f := &s.fields[i]
		if f.doc != "" {
			w.f("// %s", firstOf(f.doc, ""))
		}
		w.f("%s %s `json:%q`", goName(f.name), w.goType(f.typ), jsonTag(f))
	}
	w.f("}\n")
	w.f("const schemaOf%s = %s\n", s.name, goString(s.json()))
	w.f("// AvroSchema returns the schema as JSON.")
	w.f("func (*%s) AvroSchema() string { return schemaOf%s }\n", s.name, s.name)
}

func goString(s string) string {
	if strings.Contains(s, "`") {
		return strconv.Quote(s)
	}
	return "`" + s + "`"
}

// appendMethod writes the encoder.
func (w *writer) appendMethod(s *schema) {
	w.f("// AppendAvro appends the record in Avro's binary encoding.")
	w.f("func (x *%s) AppendAvro(dst []byte) []byte {", s.name)
	for i := range s.fields {
		w.append(s.fields[i].typ, "x."+goName(s.fields[i].name), 0)
	}
	w.f("return dst\n}\n")
}

func (w *writer) append(s *schema, v string, depth int) {
	set := func(name, args string) { w.f("dst = %s(dst, %s)", w.call(name), args) }
	switch s.kind {
	case "string":
		set("AppendString", v)
	case "bytes":
		set("AppendBytes", v)
	case "boolean":
		set("AppendBool", v)
	case "int", "long":
		set("AppendLong", asInt64(s, v))
	case "double":
		w.imports["math"] = true
		set("AppendDouble", "math.Float64bits("+v+")")
	case "enum":
		set("AppendEnum", fmt.Sprintf("int32(%s), %d", v, len(s.symbols)))
	case "fixed":
		w.f("dst = append(dst, %s[:]...)", v)
	case "record":
		w.f("dst = %s.AppendAvro(dst)", v)
	case "array":
		if s.elem.kind == "string" {
			set("AppendStrings", v)
			return
		}
		w.f("if len(%s) > 0 {", v)
		set("AppendLong", "int64(len("+v+"))")
		w.f("for i%d := range %s {", depth, v)
		w.append(s.elem, fmt.Sprintf("%s[i%d]", v, depth), depth+1)
		w.f("}\n}\ndst = append(dst, 0)")
	case "map":
		w.appendMap(s, v, depth, set)
	case "nullable":
		w.appendNullable(s.elem, v, depth, set)
	}
}

func (w *writer) appendMap(s *schema, v string, depth int, set func(name, args string)) {
	if s.elem.kind == "string" {
		set("AppendStringMap", v)
		return
	}
	w.f("if len(%s) > 0 {", v)
	set("AppendLong", "int64(len("+v+"))")
	w.f("for _, k%d := range %s(nil, %s) {", depth, w.call("SortedKeys"), v)
	set("AppendString", fmt.Sprintf("k%d", depth))
	w.f("v%d := %s[k%d]", depth, v, depth)
	w.append(s.elem, fmt.Sprintf("v%d", depth), depth+1)
	w.f("}\n}\ndst = append(dst, 0)")
}

func (w *writer) appendNullable(s *schema, v string, depth int, set func(name, args string)) {
	null, value := "len("+v+") == 0", v
	switch s.kind {
	case "string":
		set("AppendOptString", v)
		return
	case "bytes":
		set("AppendOptBytes", v)
		return
	case "int":
		set("AppendOptLong", asInt64(s, v))
		return
	case "long":
		if s.logical != "" {
			set("AppendOptLong", asInt64(s, v))
			return
		}
		null, value = "!"+v+".Valid", v+".Int64"
	case "record":
		null = v + " == nil"
	case "fixed":
		null = fmt.Sprintf("%s == (%s{})", v, w.goType(s))
	}
	w.f("if %s {\ndst = append(dst, 0)\n} else {\ndst = append(dst, 2)", null)
	w.append(s, value, depth)
	w.f("}")
}

func asInt64(s *schema, v string) string {
	if s.kind == "long" && s.logical == "" {
		return v
	}
	return "int64(" + v + ")"
}

// readMethod writes the decoder.
func (w *writer) readMethod(s *schema) {
	w.imports["fmt"] = true
	newReader, how := w.call("NewReader"), "The strings in it share one copy of b: to keep one of them\n// for long, clone it."
	if s.holdsBytes() {
		newReader, how = w.call("NewCopyingReader"), "Nothing in it refers to b."
	}
	w.f("// DecodeAvro sets the record to the one that b holds and nothing else; after an")
	w.f("// error it is empty. %s", how)
	w.f("func (x *%s) DecodeAvro(b []byte) error {\n*x = %s{}\nr := %s(b)\nx.ReadAvro(&r)", s.name, s.name, newReader)
	w.f("if err := r.Close(); err != nil {\n*x = %s{}", s.name)
	w.f("return fmt.Errorf(\"decoding %s: %%w\", err)\n}\nreturn nil\n}\n", s.name)
	w.f("// ReadAvro reads the fields into an empty record, as part of another one.")
	w.f("func (x *%s) ReadAvro(r *%s) {", s.name, w.call("Reader"))
	for i := range s.fields {
		w.read(s.fields[i].typ, "x."+goName(s.fields[i].name), 0)
	}
	w.f("}\n")
}

func (w *writer) read(s *schema, v string, depth int) {
	set := func(expr string, args ...any) { w.f("%s = %s", v, fmt.Sprintf(expr, args...)) }
	switch s.kind {
	case "string":
		set("r.String()")
	case "bytes":
		set("r.Bytes()")
	case "boolean":
		set("r.Bool()")
	case "int":
		set("r.Int()")
	case "long":
		if s.logical != "" {
			set("%s(r.Long())", w.goType(s))
		} else {
			set("r.Long()")
		}
	case "double":
		w.imports["math"] = true
		set("math.Float64frombits(r.Double())")
	case "enum":
		set("%s(r.Enum(%d))", w.goType(s), len(s.symbols))
	case "fixed":
		w.f("r.Fixed(%s[:])", v)
	case "record":
		w.f("%s.ReadAvro(r)", v)
	case "array":
		w.readArray(s, v, depth)
	case "map":
		w.readMap(s, v, depth)
	case "nullable":
		w.readNullable(s.elem, v, depth)
	}
}

func (w *writer) readArray(s *schema, v string, depth int) {
	if s.elem.kind == "string" {
		w.f("%s = r.Strings()", v)
		return
	}
	block := fmt.Sprintf("r.Block(%d)", s.elem.minSize())
	w.f("for n%[1]d := %[2]s; n%[1]d > 0; n%[1]d = %[2]s {", depth, block)
	w.f("i%d := len(%s)", depth, v)
	w.f("%[1]s = append(%[1]s, make(%[2]s, n%[3]d)...)", v, w.goType(s), depth)
	w.f("for ; i%[1]d < len(%[2]s) && r.OK(); i%[1]d++ {", depth, v)
	w.read(s.elem, fmt.Sprintf("%s[i%d]", v, depth), depth+1)
	w.f("}\n}")
}

func (w *writer) readMap(s *schema, v string, depth int) {
	if s.elem.kind == "string" {
		w.f("%s = r.StringMap()", v)
		return
	}
	block := fmt.Sprintf("r.Block(%d)", 1+s.elem.minSize())
	w.f("for n%[1]d := %[2]s; n%[1]d > 0; n%[1]d = %[2]s {", depth, block)
	w.f("if %[1]s == nil {\n%[1]s = make(%[2]s, %[3]s(n%[4]d))\n}", v, w.goType(s), w.call("MapSize"), depth)
	w.f("for ; n%[1]d > 0 && r.OK(); n%[1]d-- {\nk%[1]d := r.String()\nvar v%[1]d %[2]s", depth, w.goType(s.elem))
	w.read(s.elem, fmt.Sprintf("v%d", depth), depth+1)
	w.f("%s[k%d] = v%d\n}\n}", v, depth, depth)
}

func (w *writer) readNullable(s *schema, v string, depth int) {
	if s.kind == "string" {
		w.f("%s = r.OptString()", v)
		return
	}
	w.f("if r.Some() {")
	switch {
	case s.kind == "long" && s.logical == "":
		w.f("%s.Valid = true", v)
		w.read(s, v+".Int64", depth)
	case s.kind == "record":
		w.f("%s = new(%s)", v, w.goType(s))
		w.read(s, v, depth)
	default:
		w.read(s, v, depth)
	}
	w.f("}")
}
