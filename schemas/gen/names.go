package main

import "strings"

// initialisms are the name parts that Go writes in capitals.
var initialisms = map[string]string{
	"id": "ID", "url": "URL", "ip": "IP", "uuid": "UUID", "smtp": "SMTP", "rfc": "RFC",
	"crc32c": "CRC32C", "mta": "MTA", "os": "OS", "ms": "MS", "ids": "IDs", "uri": "URI",
	"http": "HTTP", "dns": "DNS", "json": "JSON",
}

// goName turns snake_case into CamelCase.
func goName(name string) string {
	var b strings.Builder
	for part := range strings.SplitSeq(name, "_") {
		switch in, ok := initialisms[part]; {
		case ok:
			b.WriteString(in)
		case part != "":
			b.WriteString(strings.ToUpper(part[:1]) + part[1:])
		}
	}
	return b.String()
}

// goType is the Go type of a schema.
func (w *writer) goType(s *schema) string {
	switch s.kind {
	case "string":
		return "string"
	case "bytes":
		return "[]byte"
	case "boolean":
		return "bool"
	case "int":
		return "int32"
	case "double":
		return "float64"
	case "long":
		if s.logical != "" {
			return w.contractName("Timestamp")
		}
		return "int64"
	case "array":
		return "[]" + w.goType(s.elem)
	case "map":
		return "map[string]" + w.goType(s.elem)
	case "nullable":
		switch {
		case s.elem.kind == "record":
			return "*" + w.goType(s.elem)
		case s.elem.kind == "long" && s.elem.logical == "":
			return w.contractName("NullInt64")
		}
		return w.goType(s.elem)
	}
	if w.foreign(s) {
		return w.contractName(s.name)
	}
	return s.name
}

// jsonTag leaves out what is null, and empty arrays and maps.
func jsonTag(f *field) string {
	switch f.typ.kind {
	case "nullable", "array", "map":
		return f.name + ",omitzero"
	}
	return f.name
}
