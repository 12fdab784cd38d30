package schemas_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"net/http"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/linkedin/goavro/v2"
	"github.com/posthorn/posthorn/schemas"
	"github.com/twmb/franz-go/pkg/sr"
	"github.com/twmb/franz-go/pkg/sr/srfake"
)

func startRegistry(t testing.TB) (*srfake.Registry, *sr.Client) {
	t.Helper()
	fake := srfake.New()
	t.Cleanup(fake.Close)
	client, err := sr.NewClient(sr.URLs(fake.URL()))
	if err != nil {
		t.Fatal(err)
	}
	return fake, client
}

func register(t testing.TB, client *sr.Client) *schemas.Serde {
	t.Helper()
	serde, err := schemas.Register(context.Background(), client)
	if err != nil {
		t.Fatal(err)
	}
	return serde
}

func TestRegister(t *testing.T) {
	_, client := startRegistry(t)
	first, second := register(t, client), register(t, client)
	a := first.Append(nil, schemas.TopicEvents, sampleEvent())
	if b := second.Append(nil, schemas.TopicEvents, sampleEvent()); !bytes.Equal(a, b) {
		t.Errorf("registered again, the ids differ:\n%x\n%x", a[:5], b[:5])
	}
	got, err := client.SchemaByVersion(context.Background(), "posthorn.events-value", 1)
	if err != nil {
		t.Fatal(err)
	}
	if id := binary.BigEndian.Uint32(a[1:]); a[0] != 0 || int(id) != got.ID {
		t.Errorf("head %x, want a zero byte and id %d", a[:5], got.ID)
	}
	for _, res := range client.Compatibility(context.Background(), "posthorn.messages-value") {
		if res.Err != nil || res.Level != sr.CompatBackwardTransitive {
			t.Errorf("compatibility %v, %v", res.Level, res.Err)
		}
	}
}

func TestSerdeRoundTrip(t *testing.T) {
	_, client := startRegistry(t)
	for name, serde := range map[string]*schemas.Serde{"local": schemas.NewLocalSerde(), "registry": register(t, client)} {
		t.Run(name, func(t *testing.T) {
			var e schemas.Event
			if err := serde.Decode(serde.Append([]byte("x"), schemas.TopicEvents, sampleEvent())[1:], &e); err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(&e, sampleEvent()) {
				t.Errorf("got %+v\nwant %+v", &e, sampleEvent())
			}
			var w schemas.Webhook
			if err := serde.Decode(serde.Append(nil, schemas.TopicWebhooks, sampleWebhook()), &w); err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(&w, sampleWebhook()) {
				t.Errorf("got %+v\nwant %+v", &w, sampleWebhook())
			}
		})
	}
}

func TestAppendToAnotherTopicPanics(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	schemas.NewLocalSerde().Append(nil, schemas.TopicMessages, sampleEvent())
}

// olderEvent is the event schema as another version of the contract has it: one
// field is not there yet, one is there no more, one is narrower, and the order
// differs. The second result writes a record of it.
func olderEvent(t testing.TB) (schema string, record []byte) {
	t.Helper()
	var v map[string]any
	if err := json.Unmarshal([]byte(new(schemas.Event).AvroSchema()), &v); err != nil {
		t.Fatal(err)
	}
	gone := map[string]any{"name": "gone", "type": map[string]any{"type": "array", "items": "string"}, "default": []any{}}
	fields := []any{gone}
	for _, f := range v["fields"].([]any) {
		if name := f.(map[string]any)["name"]; name != "machine_reasons" && name != "mapper_version" {
			fields = append(fields, f)
		}
	}
	v["fields"] = fields
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	now, err := goavro.NewCodec(new(schemas.Event).AvroSchema())
	if err != nil {
		t.Fatal(err)
	}
	old, err := goavro.NewCodec(string(text))
	if err != nil {
		t.Fatal(err)
	}
	native, _, err := now.NativeFromBinary(sampleEvent().AppendAvro(nil))
	if err != nil {
		t.Fatal(err)
	}
	native.(map[string]any)["gone"] = []any{"a", "b"}
	record, err = old.BinaryFromNative(nil, native)
	if err != nil {
		t.Fatal(err)
	}
	return string(text), record
}

// A Serde is shared by all tasks of a process.
func TestSerdeConcurrently(t *testing.T) {
	_, client := startRegistry(t)
	serde := register(t, client)
	schema, record := olderEvent(t)
	b := create(t, client, sr.Schema{Schema: schema}, record)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			var e schemas.Event
			for range 20 {
				if err := serde.Decode(b, &e); err != nil {
					t.Error(err)
				}
				if err := serde.Decode(serde.Append(nil, schemas.TopicEvents, &e), &e); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
}

// create registers a schema and returns a record's bytes with its id in front.
func create(t testing.TB, client *sr.Client, schema sr.Schema, record []byte) []byte {
	t.Helper()
	got, err := client.CreateSchema(context.Background(), "elsewhere-value", schema)
	if err != nil {
		t.Fatal(err)
	}
	return append(binary.BigEndian.AppendUint32([]byte{0}, uint32(got.ID)), record...)
}

func TestDecodeOtherVersion(t *testing.T) {
	fake, client := startRegistry(t)
	serde := register(t, client)
	schema, record := olderEvent(t)
	b := create(t, client, sr.Schema{Schema: schema}, record)
	var asked atomic.Int32
	fake.Intercept(func(http.ResponseWriter, *http.Request) bool { asked.Add(1); return false })
	want := sampleEvent()
	want.MachineReasons, want.MapperVersion = nil, 0
	for range 3 {
		var e schemas.Event
		if err := serde.Decode(b, &e); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(&e, want) {
			t.Fatalf("got %+v\nwant %+v", &e, want)
		}
	}
	if n := asked.Load(); n != 1 {
		t.Errorf("the registry was asked %d times for 3 records, want once", n)
	}
	// Cut off and prolonged records of another version are errors too.
	for _, bad := range [][]byte{b[:len(b)-1], append(bytes.Clone(b), 0)} {
		if err := serde.Decode(bad, new(schemas.Event)); err == nil || schemas.IsUnavailable(err) {
			t.Errorf("error %v, want one of the record", err)
		}
	}
}

func TestDecodeRefused(t *testing.T) {
	_, client := startRegistry(t)
	serde := register(t, client)
	event := serde.Append(nil, schemas.TopicEvents, sampleEvent())
	schema, record := olderEvent(t)
	renamed := strings.Replace(schema, `"name":"Event"`, `"name":"Happening"`, 1)
	for _, tt := range []struct {
		name, want string
		b          []byte
		rec        schemas.Record
	}{
		{"empty", "wire format", nil, new(schemas.Event)},
		{"no magic byte", "wire format", append([]byte{1}, event[1:]...), new(schemas.Event)},
		{"only a head", "decoding Event", event[:5], new(schemas.Event)},
		{"unknown id", "resolving schema id 16777215 to Event", append([]byte{0, 0, 255, 255, 255}, event[5:]...), new(schemas.Event)},
		{"another record", "to Trigger", event, new(schemas.Trigger)},
		{"not compatible", "to Event", create(t, client, sr.Schema{Schema: `{"type":"record","name":"Event","namespace":"posthorn","fields":[]}`}, nil), new(schemas.Event)},
		{"another name", "to Event", create(t, client, sr.Schema{Schema: renamed}, record), new(schemas.Event)},
		{"not Avro", "not Avro", create(t, client, sr.Schema{Schema: `{"type":"object"}`, Type: sr.TypeJSON}, record), new(schemas.Event)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for range 2 { // the second time from the cache
				err := serde.Decode(tt.b, tt.rec)
				if err == nil || !strings.Contains(err.Error(), tt.want) {
					t.Fatalf("error %v, want one that contains %q", err, tt.want)
				}
				if schemas.IsUnavailable(err) {
					t.Fatalf("error %v counts as one that passes", err)
				}
			}
		})
	}
	if err := schemas.NewLocalSerde().Decode([]byte{0, 0, 0, 1, 0}, new(schemas.Event)); err == nil {
		t.Error("a local Serde read an id of its own for another record")
	}
}

// A registry that is away is no fault of the record, and is asked again.
func TestDecodeWhileRegistryIsAway(t *testing.T) {
	fake, client := startRegistry(t)
	serde := register(t, client)
	schema, record := olderEvent(t)
	b := create(t, client, sr.Schema{Schema: schema}, record)
	for _, status := range []int{http.StatusInternalServerError, http.StatusUnauthorized, http.StatusNotFound} {
		fake.Intercept(func(w http.ResponseWriter, _ *http.Request) bool {
			http.Error(w, "proxy says no", status)
			return true
		})
		if err := serde.Decode(b, new(schemas.Event)); !schemas.IsUnavailable(err) {
			t.Errorf("status %d: error %v, want one that passes", status, err)
		}
		if _, err := schemas.Register(context.Background(), client); !schemas.IsUnavailable(err) {
			t.Errorf("status %d: registering: error %v, want one that passes", status, err)
		}
		fake.ClearInterceptors()
	}
	if err := serde.Decode(b, new(schemas.Event)); err != nil {
		t.Errorf("with the registry back: %v", err)
	}
}

func TestRegisterIncompatible(t *testing.T) {
	fake, client := startRegistry(t)
	fake.Intercept(func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodPost {
			return false
		}
		w.WriteHeader(http.StatusConflict)
		_, _ = w.Write([]byte(`{"error_code":409,"message":"Schema being registered is incompatible"}`))
		return true
	})
	_, err := schemas.Register(context.Background(), client)
	if err == nil || schemas.IsUnavailable(err) || !strings.Contains(err.Error(), "posthorn.webhooks-value") {
		t.Errorf("error %v, want one that stays and names the subject", err)
	}
}

func BenchmarkDecodeOtherVersion(b *testing.B) {
	_, client := startRegistry(b)
	serde := register(b, client)
	schema, record := olderEvent(b)
	buf := create(b, client, sr.Schema{Schema: schema}, record)
	var e schemas.Event
	b.ReportAllocs()
	for b.Loop() {
		if err := serde.Decode(buf, &e); err != nil {
			b.Fatal(err)
		}
	}
}
