package analytics

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/google/uuid"
	"github.com/invopop/jsonschema"
)

var update = flag.Bool("update", false, "write openapi.json")

// operation describes a route. The answers' schemas are made of their Go types
// and the comments there.
type operation struct {
	pattern string
	summary string
	doc     string
	params  []parameter
	body    any // of a POST
	answer  any // of GET as JSON; nil: server-sent events of this type
	events  any
	// examples are paths that are answered with 200 by what exampleRows holds.
	examples []string
}

// parameter is one of the query's.
type parameter struct {
	name, doc string
	kind      string   // of the schema; string where it is empty
	format    string   // of the schema
	values    []string // all that are allowed; the first is the standard
	standard  any
}

// openAPI builds the document of the operations.
// Where it is strict, objects have no members that are not described.
func openAPI(t *testing.T, operations []operation, strict bool) []byte {
	b := newSchemas(t)
	b.reflector.AllowAdditionalProperties = !strict
	paths := map[string]map[string]any{}
	for i := range operations {
		op := &operations[i]
		method, path, _ := strings.Cut(op.pattern, " ")
		path = strings.ReplaceAll(path, "...}", "}")
		if paths[path] == nil {
			paths[path] = map[string]any{}
		}
		paths[path][strings.ToLower(method)] = b.operation(op, path)
	}
	problem := b.of(Problem{})
	document := map[string]any{
		"openapi": "3.1.0",
		"info": map[string]any{
			"title": "Posthorn", "version": "1", "license": map[string]any{"name": "Apache-2.0", "identifier": "Apache-2.0"},
			"description": "Campaign analytics. What each number is: /docs/statistics. An error is a problem as of RFC 9457; a figure that could not be had is never 0: the request fails with 503, or the value is null.",
		},
		"paths": paths,
		"components": map[string]any{
			"schemas": b.definitions,
			"responses": map[string]any{
				"BadRequest":    problemResponse("A parameter is wrong or unknown: param names it, detail tells what is allowed.", problem),
				"NotFound":      problemResponse("There is none of this id.", problem),
				"NotAcceptable": problemResponse("The answer can't be given in any form that Accept names.", problem),
				"TooMany":       problemResponse("The service is busy with as much of it as it does at a time; Retry-After tells when to try again.", problem),
				"Unavailable":   problemResponse("ClickHouse did not answer, or not in time: the figures are unknown, not zero.", problem),
			},
		},
	}
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetIndent("", " ")
	enc.SetEscapeHTML(false)
	if err := enc.Encode(document); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func problemResponse(description string, schema any) map[string]any {
	return map[string]any{"description": description, "content": map[string]any{"application/problem+json": map[string]any{"schema": schema}}}
}

var pathParameter = regexp.MustCompile(`\{(\w+)\}`)

func (b *schemaSet) operation(op *operation, path string) map[string]any {
	var params []any
	for _, name := range pathParameter.FindAllStringSubmatch(path, -1) {
		params = append(params, map[string]any{"name": name[1], "in": "path", "required": true, "schema": map[string]any{"type": "string"}})
	}
	ref := func(name string) map[string]any { return map[string]any{"$ref": "#/components/responses/" + name} }
	responses := map[string]any{"400": ref("BadRequest"), "503": ref("Unavailable")}
	if len(params) > 0 || slices.ContainsFunc(op.params, func(p parameter) bool { return p.name == "campaigns" }) {
		responses["404"] = ref("NotFound")
	}
	switch {
	case op.events != nil:
		responses["429"] = ref("TooMany")
		responses["200"] = map[string]any{"description": "Events as they come; the data of each is JSON of this schema.",
			"content": map[string]any{"text/event-stream": map[string]any{"schema": b.of(op.events)}}}
	default:
		_, rows := reflect.New(reflect.TypeOf(op.answer)).Interface().(sheeted)
		content := map[string]any{"application/json": map[string]any{"schema": b.of(op.answer)}}
		if rows {
			for _, f := range forms[formCSV:] {
				content[f.mediaType] = map[string]any{"schema": map[string]any{"type": "string"}}
			}
			params = append(params, formatParameter.object())
		}
		responses["406"] = ref("NotAcceptable")
		responses["200"] = map[string]any{"description": "The answer.", "content": content}
	}
	for _, p := range op.params {
		params = append(params, p.object())
	}
	out := map[string]any{"summary": op.summary, "responses": responses}
	if op.doc != "" {
		out["description"] = op.doc
	}
	if len(params) > 0 {
		out["parameters"] = params
	}
	if op.body != nil {
		out["requestBody"] = map[string]any{"required": true, "content": map[string]any{"application/json": map[string]any{"schema": b.of(op.body)}}}
	}
	return out
}

var formatParameter = parameter{name: "format", values: []string{"json", "csv", "ndjson", "parquet", "arrow"},
	doc: "Form of the answer, before the header Accept. In forms other than JSON the header Link names the next page."}

func (p *parameter) object() map[string]any {
	schema := map[string]any{"type": "string"}
	if p.kind != "" {
		schema["type"] = p.kind
	}
	if p.format != "" {
		schema["format"] = p.format
	}
	if p.values != nil {
		schema["enum"] = slices.DeleteFunc(slices.Clone(p.values), func(s string) bool { return s == "" })
		if p.values[0] != "" {
			schema["default"] = p.values[0]
		}
	}
	if p.standard != nil {
		schema["default"] = p.standard
	}
	return map[string]any{"name": p.name, "in": "query", "description": p.doc, "schema": schema}
}

// schemaSet makes JSON Schemas of Go types, in the definitions that they share.
type schemaSet struct {
	t           *testing.T
	reflector   jsonschema.Reflector
	definitions map[string]any
	types       map[string]reflect.Type
}

func newSchemas(t *testing.T) *schemaSet {
	b := &schemaSet{t: t, definitions: map[string]any{}, types: map[string]reflect.Type{}}
	b.reflector = jsonschema.Reflector{
		Anonymous: true,
		Namer: func(t reflect.Type) string {
			name := t.Name()
			if name == "" {
				return ""
			}
			name = strings.ToUpper(name[:1]) + name[1:]
			if other, ok := b.types[name]; ok && other != t {
				b.t.Fatalf("two types are called %s: %v and %v", name, other, t)
			}
			b.types[name] = t
			return name
		},
		Mapper: func(t reflect.Type) *jsonschema.Schema {
			if t == reflect.TypeFor[uuid.UUID]() {
				return &jsonschema.Schema{Type: "string", Format: "uuid"}
			}
			return nil
		},
	}
	for base, path := range map[string]string{"github.com/posthorn/posthorn/analytics": ".", "github.com/posthorn/posthorn/schemas": "../schemas"} {
		if err := b.reflector.AddGoComments(base, path); err != nil {
			t.Fatal(err)
		}
	}
	for name, comment := range b.reflector.CommentMap {
		b.reflector.CommentMap[name] = strings.Join(strings.Fields(comment), " ")
	}
	return b
}

// of returns the schema of a value's type.
func (b *schemaSet) of(value any) any {
	schema := b.reflector.Reflect(value)
	for name, definition := range schema.Definitions {
		if b.definitions[name] != nil {
			continue
		}
		b.definitions[name] = b.nullable(b.types[name], b.plain(definition))
	}
	schema.Definitions, schema.Version = nil, ""
	return b.plain(schema)
}

// plain is a schema as JSON, with references to where OpenAPI has schemas.
func (b *schemaSet) plain(schema *jsonschema.Schema) map[string]any {
	text, err := json.Marshal(schema)
	if err != nil {
		b.t.Fatal(err)
	}
	text = bytes.ReplaceAll(text, []byte(`"#/$defs/`), []byte(`"#/components/schemas/`))
	var out map[string]any
	if err := json.Unmarshal(text, &out); err != nil {
		b.t.Fatal(err)
	}
	return out
}

// nullable says which members of an object may be null: pointers that are not
// left out, and values of maps that are pointers.
func (b *schemaSet) nullable(of reflect.Type, schema map[string]any) map[string]any {
	properties, _ := schema["properties"].(map[string]any)
	if of == nil || of.Kind() != reflect.Struct {
		return schema
	}
	for _, field := range reflect.VisibleFields(of) {
		name, options, _ := strings.Cut(field.Tag.Get("json"), ",")
		property, ok := properties[name].(map[string]any)
		switch {
		case !ok:
		case field.Type.Kind() == reflect.Slice && strings.Contains(fmt.Sprint(property["description"]), "null is"):
			property["type"] = []string{"array", "null"}
		case field.Type.Kind() == reflect.Pointer && !strings.Contains(options, "omit"):
			description := property["description"]
			delete(property, "description")
			properties[name] = map[string]any{"anyOf": []any{property, map[string]any{"type": "null"}}}
			if description != nil {
				properties[name].(map[string]any)["description"] = description
			}
		case field.Type.Kind() == reflect.Map && field.Type.Elem().Kind() == reflect.Pointer:
			property["additionalProperties"] = map[string]any{"anyOf": []any{property["additionalProperties"], map[string]any{"type": "null"}}}
		}
	}
	return schema
}

// The description is that of the code: made of it, and valid.
func TestOpenAPI(t *testing.T) {
	want := openAPI(t, operations, false)
	if *update {
		if err := os.WriteFile("openapi.json", want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(openAPIDocument, want) && !*update {
		t.Error("openapi.json is not what the code gives: go test ./analytics -run TestOpenAPI -update")
	}
	doc, err := openapi3.NewLoader().LoadFromData(want)
	if err != nil {
		t.Fatal(err)
	}
	if err := doc.Validate(t.Context()); err != nil {
		t.Error(err)
	}
	api := NewAPI(APIConfig{})
	described := map[string]bool{}
	for _, op := range operations {
		described[op.pattern] = true
	}
	for _, r := range api.routes() {
		if !described[r.pattern] {
			t.Errorf("%s is not described", r.pattern)
		}
		delete(described, r.pattern)
	}
	for pattern := range described {
		t.Errorf("%s is described and not served", pattern)
	}
}

// Each operation takes the parameters that are described, and no other: what is
// said of an unknown one names all there are.
func TestOpenAPIParameters(t *testing.T) {
	api := NewAPI(APIConfig{})
	for _, op := range operations {
		method, path, _ := strings.Cut(op.pattern, " ")
		path = strings.NewReplacer("{id...}", "7", "{id}", "7").Replace(path)
		w := httptest.NewRecorder()
		api.ServeHTTP(w, httptest.NewRequest(method, path+"?no_such_parameter=1", strings.NewReader("{}")))
		var p Problem
		if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil || w.Code != http.StatusBadRequest || p.Param != "no_such_parameter" {
			t.Errorf("%s takes a parameter that is none: %d %s", op.pattern, w.Code, w.Body)
			continue
		}
		var described []string
		for _, param := range op.params {
			described = append(described, param.name)
		}
		_, list, _ := strings.Cut(p.Detail, "there are ")
		taken := strings.Split(list, ", ")
		if strings.HasPrefix(list, "no parameters") {
			taken = nil
		}
		slices.Sort(described)
		slices.Sort(taken)
		if fmt.Sprint(taken) != fmt.Sprint(described) {
			t.Errorf("%s takes %v, described are %v", op.pattern, taken, described)
		}
	}
}

// Each operation's answer is as described, to the last member.
func TestAnswersAsDescribed(t *testing.T) {
	doc, err := openapi3.NewLoader().LoadFromData(openAPI(t, operations, true))
	if err != nil {
		t.Fatal(err)
	}
	conn := migrated(t)
	exampleRows(t, conn)
	api := NewAPI(APIConfig{Conn: conn, Logger: slog.New(slog.NewTextHandler(t.Output(), nil)), RecipientID: func(string) uuid.UUID { return uuid.UUID{1} }, Rules: func() []Rule { return []Rule{{Name: "a", Kind: "within", Mode: "live"}} }})
	for _, op := range operations {
		if op.events != nil {
			continue
		}
		if len(op.examples) == 0 {
			t.Errorf("%s has no example", op.pattern)
		}
		method, path, _ := strings.Cut(op.pattern, " ")
		item := doc.Paths.Value(strings.ReplaceAll(path, "...}", "}"))
		schema := item.GetOperation(method).Responses.Status(200).Value.Content.Get("application/json").Schema.Value
		for _, example := range op.examples {
			target, body, _ := strings.Cut(example, " ")
			w := httptest.NewRecorder()
			api.ServeHTTP(w, httptest.NewRequest(method, target, strings.NewReader(body)))
			var answer any
			if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil || w.Code != http.StatusOK {
				t.Errorf("%s: %d %s", example, w.Code, w.Body)
				continue
			}
			if err := doc.ValidateSchemaJSON(schema, answer, openapi3.EnableFormatValidation(), openapi3.MultiErrors()); err != nil {
				t.Errorf("%s: %v\n%s", example, err, w.Body)
			}
		}
	}
}
