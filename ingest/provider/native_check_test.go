package provider

import (
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/posthorn/posthorn/schemas"
)

var checkNow = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func TestNativeCheck(t *testing.T) {
	const good = `"type":"opened","recipient":"ann@example.com","occurred_at":"2026-03-01T10:00:00Z"`
	for _, c := range []struct{ text, want string }{
		{`{` + good + `}`, ""},
		{`{"event":"email.opened","email":"Ann <ann@example.com>","time":1772359200}`, ""},
		{`{"type":"open","id":7,"timestamp":1772359200250}`, ""},
		{`{"type":"email.opened","timestamp":"2026-03-01T10:00:00Z","data":{"email":["ann@example.com"],"tags":["a",1,null],"metadata":{"a":{}}}}`, ""},
		{`{"type":"unknown","recipient":"a","occurred_at":"2026-03-01 10:00:00"}`, ""},
		{`{` + good + `,"tags":"[\"a\"]","metadata":"{\"a\":1}","smtp_code":"550","attempt":"0","first":"true","machine":true,"country":"XX","ip":"2001:db8::1","link_index":null,"url":""}`, ""},
		{`{"type":`, " bad_json"},
		{`[{}]`, " not_an_event"},
		{`{}`, "type missing_field, recipient missing_field, occurred_at missing_field"},
		{`{"type":"opened","message_id":"m","occurred_at":"yesterday"}`, "occurred_at bad_field"},
		{`{"type":"opened","message_id":"m","occurred_at":1}`, "occurred_at bad_field"},
		{`{"type":"opened","message_id":"m","occurred_at":"2025-01-01T00:00:00Z"}`, "occurred_at bad_field"},
		{`{"type":"opened","message_id":"m","occurred_at":"2026-03-01T14:00:00Z"}`, "occurred_at bad_field"},
		{`{"type":"opened","message_id":0,"occurred_at":1772359200}`, "recipient missing_field"},
		{`{"type":"opened","recipient":"<>","occurred_at":1772359200}`, "recipient missing_field"},
		{`{"type":"opened","message_id":1.5,"occurred_at":1772359200}`, "message_id bad_field, recipient missing_field"},
		{`{"type":"opend","message_id":"m","occurred_at":1772359200}`, "type bad_field"},
		{`{"type":7,"message_id":"m","occurred_at":1772359200}`, "type bad_field"},
		{`{"type":"opened","to":["a@example.com","b@example.com"],"occurred_at":1772359200}`, "recipient bad_field"},
		{`{` + good + `,"message_id":{},"url":[],"user_agent":true,"tags":[[]],"metadata":7}`, "message_id bad_field, tags bad_field, metadata bad_field, url bad_field, user_agent bad_field"},
		{`{` + good + `,"smtp_code":99,"smtp_enhanced":"5.1","ip":"x","country":"FRA","attempt":-1,"link_index":1.5,"first":"maybe","machine":"robot","bounce_class":"medium","reject_reason":"rude"}`,
			"link_index bad_field, ip bad_field, country bad_field, machine bad_field, first bad_field, bounce_class bad_field, reject_reason bad_field, smtp_code bad_field, smtp_enhanced bad_field, attempt bad_field"},
	} {
		check := NativeCheck{Now: checkNow}
		var got []string
		for _, f := range check.Event([]byte(c.text)) {
			if len(f.Detail) < 20 {
				t.Errorf("%s: the detail %q says no remedy", c.text, f.Detail)
			}
			got = append(got, f.Field+" "+f.Reason)
		}
		if s := strings.Join(got, ", "); s != c.want {
			t.Errorf("%s\ngot  %s\nwant %s", c.text, s, c.want)
		}
	}
	check := NativeCheck{Now: checkNow}
	check.Event([]byte(`{` + good + `,"data":{"colour":1,"mood":2},"Mood":1}`))
	for i := range 100 {
		check.Event(fmt.Appendf(nil, `{"x%d":1,"%s":2}`, i, strings.Repeat("y", 99)))
	}
	if got := check.Ignored(); len(got) != maxIgnored || !slices.Contains(got, "Mood") || !slices.Contains(got, "colour") {
		t.Errorf("ignored: %q", got)
	}
}

// TestNativeRules: every field has a rule, which takes what documentation shows.
func TestNativeRules(t *testing.T) {
	for field := range nativeFieldCount {
		rule := nativeRules[field]
		if rule.name == "" || rule.ok == nil || rule.want == "" || nativeSlots[strings.ReplaceAll(rule.name, "_", "")] != (nativeSlot{field, 0}) {
			t.Errorf("field %d has the rule %+v", field, rule.name)
		}
	}
}

// FuzzNativeCheck: what is accepted is decoded, with its time and type.
func FuzzNativeCheck(f *testing.F) {
	for _, s := range []string{
		`{"type":"opened","recipient":"ann@example.com","occurred_at":"2026-03-01T10:00:00Z","ip":"192.0.2.1","smtp_code":550,"link_index":0}`,
		`{"type":"email.clicked","timestamp":1772359200,"data":{"id":"m","email":"a@b","machine":"proxy","country":"fr"}}`, `{"to":["a"],"event":"bounce.hard","time":1.7723592e9}`, `{}`, `7`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		check := NativeCheck{Now: checkNow}
		faults := slices.Clone(check.Event(body))
		w := hook(Native{}, TypeNDJSON, strings.ReplaceAll(strings.ReplaceAll(string(body), "\n", " "), "\r", " "))
		w.ReceivedAt = schemas.FromTime(checkNow)
		for _, d := range outcomes(t, Native{}, w) {
			if len(faults) > 0 {
				return
			}
			if d.err != nil {
				t.Fatalf("%s is accepted, but then refused: %v", body, d.err)
			}
			if age := checkNow.Sub(d.event.OccurredAt.Time()); age > MaxEventAge || age < -MaxEventFuture || d.event.RecipientAmbiguous || d.event.Recipient == "" && d.event.MessageID == "" {
				t.Fatalf("%s is accepted as %+v", body, d.event)
			}
		}
	})
}

// TestNativeUpload: frozen. An event's id depends on the key and its place in the
// upload, not on the webhook it comes in; its own id outweighs them.
func TestNativeUpload(t *testing.T) {
	const line = `{"type":"open","email":"ann@example.com","time":1772359200}`
	decode := func(first, body string) (ids []string, indexes []int) {
		w := hook(Native{}, TypeNDJSON, body)
		w.Headers = map[string]string{HeaderIdempotencyKey: "k", HeaderUploadFirst: first}
		for _, d := range outcomes(t, Native{}, w) {
			if d.err != nil {
				t.Fatal(d.err)
			}
			ids, indexes = append(ids, d.event.EventID.String()), append(indexes, d.index)
		}
		return ids, indexes
	}
	all, indexes := decode("1", line+"\n\n"+line+"\r\n"+line)
	if !reflect.DeepEqual(indexes, []int{0, 2, 3}) {
		t.Errorf("indexes %v", indexes)
	}
	later, _ := decode("3", line+"\n"+line+"\n")
	if !slices.Equal(all[1:], later) {
		t.Errorf("%q in another webhook are %q", all[1:], later)
	}
	own, _ := decode("3", `{"type":"open","email":"ann@example.com","event_id":"e"}`)
	wantIDs(t, append(all, own...), "206dbc4b-253d-2be3-7ac9-baf72ffbc663", "6e16c17d-4ab4-1f7e-ecb6-bc7a1df837fd", "f708d496-2558-878a-e90e-af9c0aef2564", "d0e2455e-1566-57f4-48c1-0c0da8c19610")

	w := hook(Native{}, "application/json", "["+line+",{}]")
	if got := summary(t, Native{}, w); got != "0 ok; 1 missing_field type" {
		t.Errorf("as JSON: %s", got)
	}
	w = hook(Native{}, "application/ndjson; charset=utf-8", line+"\n7\n{")
	if got := summary(t, Native{}, w); got != "0 ok; 1 not_an_event ; 2 bad_json " {
		t.Errorf("as lines: %s", got)
	}
}

func TestNativeVerifier(t *testing.T) {
	for field, c := range map[string]Credentials{"key": {}, "username": {Keys: []string{"k"}, Username: "u"}, "header": {Keys: []string{"k"}, Header: "X"}} {
		_, err := Native{}.Verifier(c)
		var wrong *CredentialError
		if !errors.As(err, &wrong) || wrong.Field != field {
			t.Errorf("%+v: %v", c, err)
		}
	}
	v, err := Native{}.Verifier(Credentials{Keys: []string{"new", "old"}})
	if err != nil {
		t.Fatal(err)
	}
	for value, ok := range map[string]bool{"Bearer new": true, "bearer  old": true, "Bearer": false, "Bearer x": false, "": false, "Basic new": false} {
		shown, err := v.Verify(&http.Request{Header: http.Header{"Authorization": {value}}}, nil, checkNow)
		var refused *AuthError
		if ok != (err == nil && shown.Scheme == SchemeBearer) || !ok && (!errors.As(err, &refused) || refused.Challenge != BearerChallenge) {
			t.Errorf("%q: %+v, %v", value, shown, err)
		}
	}
}
