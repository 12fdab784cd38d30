package provider

import (
	"strings"
	"testing"

	"github.com/posthorn/posthorn/schemas"
)

// TestEventIDsAreFrozen must never be changed: see fingerprint. The ids were
// worked out apart from this code, as the first half of the SHA-256 of the
// fields, each with its length in 4 bytes in front.
func TestEventIDsAreFrozen(t *testing.T) {
	for _, c := range []struct{ body, want string }{
		{with("open", `"ip":"192.0.2.7","agent":"Mozilla/5.0","geo":"FR"`), "cad8b1da-b344-2946-f7ab-bf40fad77f1d"},
		{with("click", `"url":"https://shop.example/?a=1&b=2","ip":"192.0.2.7","agent":"Mozilla/5.0 (X11)"`), "48a47c90-e078-3df1-a8d6-7a828c345039"},
		{`{"event":"open","time":1378377304,"email":"demo@example.com","ip":"192.0.2.7","agent":"x"}`, "6a607f8b-25f3-7e93-956f-8b220584279e"},
		{`{"event":"bounce","time":1378377304,"MessageID":104427216766056450,"hard_bounce":true}`, "8e694f36-56fd-6b74-9b7b-b15bfe6fb1df"},
		{`{"event":"some new type","email":"é@example.com"}`, "60586d0c-a0b8-6a50-fc0a-0d5fcffa4791"},
	} {
		if got := one(t, c.body).EventID.String(); got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", c.body, got, c.want)
		}
	}
}

func TestEventIDsTellEventsApart(t *testing.T) {
	base := `{"event":"open","time":1,"Message_GUID":"g","MessageID":2,"email":"a@b.c","url":"u","ip":"192.0.2.1","agent":"x"}`
	id := one(t, base).EventID
	for _, same := range []string{
		strings.Replace(base, `"time":1`, `"time":"1"`, 1),
		strings.Replace(base, `"u"`, `"\u0075"`, 1),
		strings.Replace(base, `,"ip"`, ` , "geo":"FR","mj_campaign_id":9,"Payload":"x", "ip"`, 1),
		strings.Replace(base, `"MessageID":2`, `"MessageID":3`, 1), // The UUID stands for it.
	} {
		if got := one(t, same).EventID; got != id {
			t.Errorf("%s: another id than %s", same, base)
		}
	}
	seen := map[schemas.ID]string{id: base}
	for _, change := range [][2]string{
		{`"open"`, `"click"`}, {`"time":1`, `"time":2`}, {`"g"`, `"h"`}, {`"a@b.c"`, `"A@b.c"`}, {`"u"`, `"v"`},
		{`192.0.2.1`, `192.0.2.2`}, {`"x"`, `"y"`}, {`"u","ip":"192.0.2.1"`, `"","ip":"u192.0.2.1"`},
	} {
		body := strings.Replace(base, change[0], change[1], 1)
		got := one(t, body).EventID
		if other, ok := seen[got]; ok {
			t.Errorf("%s and %s have one id", body, other)
		}
		seen[got] = body
	}
}
