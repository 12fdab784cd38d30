package delivery

import (
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/posthorn/posthorn/internal/mailjetapi/mailjettest"
	"github.com/posthorn/posthorn/processor/delivery/body"
	"github.com/posthorn/posthorn/schemas"
)

// template makes a template of JSON.
func template(t *testing.T, text string) *body.Template {
	t.Helper()
	var document any
	if err := json.Unmarshal([]byte(text), &document); err != nil {
		t.Fatal(err)
	}
	tmpl, err := body.New(document)
	if err != nil {
		t.Fatal(err)
	}
	return tmpl
}

// one makes the call of a trigger and returns its delivery.
func (b *bench) one(tr *schemas.Trigger) schemas.Delivery {
	b.t.Helper()
	b.process(tr)
	b.commit()
	got := b.result(1, time.Now())
	if len(got) != 1 {
		b.t.Fatalf("%d deliveries", len(got))
	}
	return got[0]
}

func TestTemplateAndHeaders(t *testing.T) {
	s := newShop(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Request", "17")
		w.Header().Set("Set-Cookie", "session=topsecret")
	})
	e := s.endpoint("shop")
	e.Template = template(t, `{"email": "{{.recipient.address}}", "code": "SALE", "n": 3}`)
	e.Headers = map[string]string{"authorization": "Bearer topsecret", "user-agent": "shop bot"}
	b := newBench(t, nil, e)
	d := b.one(trigger(1, "shop"))
	const want = `{"code":"SALE","email":"anna@gmail.example","n":3}`
	r := <-s.arrived
	if s.bodies[0] != want || r.Header.Get("Authorization") != "Bearer topsecret" || r.Header.Get("User-Agent") != "shop bot" {
		t.Errorf("%s, %v", s.bodies[0], r.Header)
	}
	wantHeaders := map[string]string{
		"Authorization": "***", "User-Agent": "***", "Webhook-Signature": "***", "Content-Type": "application/json",
		"Webhook-Id": d.TriggerID.String(), "Webhook-Timestamp": r.Header.Get("Webhook-Timestamp"),
	}
	if d.RequestBody != want || d.RequestMethod != "POST" || !reflect.DeepEqual(d.RequestHeaders, wantHeaders) {
		t.Errorf("recorded %s %s %v", d.RequestMethod, d.RequestBody, d.RequestHeaders)
	}
	if d.ResponseHeaders["X-Request"] != "17" || d.ResponseHeaders["Set-Cookie"] != "***" || d.Action != "callback" ||
		d.RecipientID != trigger(1, "").RecipientID || d.CampaignID != "7272" || d.Manual {
		t.Errorf("%+v", d)
	}
	if text := fmt.Sprintf("%+v", d); strings.Contains(text, "topsecret") || strings.Contains(text, "hidden") {
		t.Errorf("a secret is recorded: %s", text)
	}
}

// A body that is long is cut in the record, at a rune, and sent as a whole.
func TestRecordIsBounded(t *testing.T) {
	s := newShop(t, func(w http.ResponseWriter, _ *http.Request) {
		for i := range 40 {
			w.Header().Set(fmt.Sprintf("X-%03d", i), strings.Repeat("é", 600))
		}
		w.WriteHeader(200)
	})
	e := s.endpoint("shop")
	e.Template = template(t, `{"x": "`+strings.Repeat("é", 20_000)+`"}`)
	d := newBench(t, nil, e).one(trigger(1, "shop"))
	if len(d.RequestBody) > 16<<10 || len(d.RequestBody) < 16<<10-3 || !utf8.ValidString(d.RequestBody) || len(s.bodies[0]) < 40_000 {
		t.Errorf("%d bytes are recorded, %d sent", len(d.RequestBody), len(s.bodies[0]))
	}
	if len(d.ResponseHeaders) != 32 || len(d.ResponseHeaders["X-001"]) > 1024 {
		t.Errorf("%d headers are recorded", len(d.ResponseHeaders))
	}
}

// A template that makes no body of a trigger fails for good, and says why; nobody
// is called.
func TestTemplateThatFails(t *testing.T) {
	s := newShop(t, nil)
	e := s.endpoint("shop")
	e.Template = template(t, `{"x": "{{range .evidence}}{{slice .type 4}}{{end}}"}`) // fits the sample, "opened"
	b := newBench(t, nil, e)
	tr := trigger(1, "shop")
	tr.Evidence[0].Type = "no"
	if d := b.one(tr); d.Status != schemas.DeliveryStatusFailed || !strings.Contains(d.Error, "x: ") || d.RequestMethod != "" || s.calls() != 0 {
		t.Errorf("%+v", d)
	}
}

func TestEndpointActionErrors(t *testing.T) {
	shop := Endpoint{Name: "shop", URL: "https://shop.example", Secrets: []string{testSecret}}
	with := func(change func(*Endpoint)) Endpoint {
		e := shop
		change(&e)
		return e
	}
	send := Endpoint{Name: "mail", Action: ActionMailjetSend}
	mailjet := func(m Mailjet) Endpoint {
		m.PublicKey, m.PrivateKey = "p", "s"
		return Endpoint{Name: "mail", Action: ActionMailjetSend, Mailjet: &m}
	}
	list := func(m Mailjet) Endpoint {
		e := mailjet(m)
		e.Action = ActionMailjetList
		return e
	}
	for want, e := range map[string]Endpoint{
		"action: ":                       with(func(e *Endpoint) { e.Action = "fax" }),
		"headers.Webhook-Id: is set by":  with(func(e *Endpoint) { e.Headers = map[string]string{"Webhook-Id": "1"} }),
		"headers.content-type: ":         with(func(e *Endpoint) { e.Headers = map[string]string{"content-type": "text/plain"} }),
		"headers.a b: is no name":        with(func(e *Endpoint) { e.Headers = map[string]string{"a b": "1"} }),
		"headers.X-Key: the value":       with(func(e *Endpoint) { e.Headers = map[string]string{"X-Key": "topsecret\r\nHost: x"} }),
		"is there twice":                 with(func(e *Endpoint) { e.Headers = map[string]string{"X-Key": "1", "x-key": "2"} }),
		"mailjet: is of the actions":     with(func(e *Endpoint) { e.Mailjet = &Mailjet{} }),
		"mailjet: missing":               send,
		"public_key and private_key are": {Name: "mail", Action: ActionMailjetSend, Mailjet: &Mailjet{TemplateID: 1}},
		"mailjet.template_id: missing":   mailjet(Mailjet{}),
		"mailjet.from: has a name":       mailjet(Mailjet{TemplateID: 1, FromName: "Shop"}),
		"mailjet.from.email: ":           mailjet(Mailjet{TemplateID: 1, FromEmail: "Shop <a@b.example>"}),
		"mailjet.to: ":                   mailjet(Mailjet{TemplateID: 1, To: "nobody"}),
		"mailjet.base_url: ":             mailjet(Mailjet{TemplateID: 1, BaseURL: "http://api.example"}),
		"mailjet: list_id, list_action":  mailjet(Mailjet{TemplateID: 1, ListID: 1}),
		"mailjet.variables: ":            mailjet(Mailjet{TemplateID: 1, Variables: template(t, `["x"]`)}),
		"mailjet.list_id: missing":       list(Mailjet{}),
		"mailjet.list_action: ":          list(Mailjet{ListID: 1, ListAction: "add"}),
		"mailjet: template_id, from":     list(Mailjet{ListID: 1, Sandbox: true}),
		"mailjet.properties: ":           list(Mailjet{ListID: 1, Properties: template(t, `"x"`)}),
	} {
		if err := e.Validate(); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "topsecret") {
			t.Errorf("%v, want %s", err, want)
		}
	}
	for _, e := range []Endpoint{shop, mailjet(Mailjet{TemplateID: 1, FromEmail: "a@b.example", To: "ops@b.example"}), list(Mailjet{ListID: 1, ListAction: "unsub"})} {
		if err := e.Validate(); err != nil {
			t.Error(err)
		}
	}
}

// mailjet is an endpoint at a stand-in of Mailjet.
func mailjetEndpoint(s *mailjettest.Server, action string, m Mailjet) Endpoint {
	m.PublicKey, m.PrivateKey, m.BaseURL = mailjettest.PublicKey, mailjettest.PrivateKey, s.URL
	return Endpoint{Name: "mail", Action: action, Mailjet: &m, AllowPrivate: true}
}

func TestMailjetSend(t *testing.T) {
	s := mailjettest.Start(t)
	s.Templates(7)
	b := newBench(t, nil, mailjetEndpoint(s, ActionMailjetSend, Mailjet{
		TemplateID: 7, FromEmail: "shop@example.org", Subject: "For you", Variables: template(t, `{"campaign": "{{.campaign.id}}", "at": {"n": 1}}`),
	}))
	d := b.one(trigger(1, "mail"))
	want := mailjettest.Message{
		To: "anna@gmail.example", From: "shop@example.org", Subject: "For you", CustomID: d.TriggerID.String(), TemplateID: 7,
		Variables: map[string]any{"campaign": "7272", "at": map[string]any{"n": 1.0}},
	}
	if got := s.Messages(); len(got) != 1 || !reflect.DeepEqual(got[0], want) {
		t.Errorf("%+v, want %+v", got, want)
	}
	if d.Status != schemas.DeliveryStatusSucceeded || d.Action != "mailjet_send" || d.URL != s.URL+"/v3.1/send" || d.RequestHeaders["Authorization"] != "***" ||
		!strings.Contains(d.Response, "MessageUUID") || strings.Contains(fmt.Sprintf("%+v", d), mailjettest.PrivateKey) {
		t.Errorf("%+v", d)
	}
}

// What the template says stays where the configuration says nothing, and the mail
// of a campaign's rule goes to whom the configuration names.
func TestMailjetSendOfACampaign(t *testing.T) {
	s := mailjettest.Start(t)
	s.Templates(7)
	b := newBench(t, nil, mailjetEndpoint(s, ActionMailjetSend, Mailjet{TemplateID: 7, To: "ops@example.org", Sandbox: true}))
	tr := trigger(1, "mail")
	tr.Recipient, tr.RecipientID, tr.Evidence, tr.Kind, tr.State = "", schemas.ID{}, nil, "rate", "raised"
	d := b.one(tr)
	if got := s.Messages(); d.Status != schemas.DeliveryStatusSucceeded || len(got) != 1 || got[0].To != "ops@example.org" || !got[0].Sandbox || got[0].From+got[0].Subject != "" {
		t.Errorf("%+v, %+v", d, got)
	}
}

func TestMailjetList(t *testing.T) {
	s := mailjettest.Start(t)
	s.Lists(12)
	for _, action := range []string{"", "addforce", "remove", "unsub"} {
		b := newBench(t, nil, mailjetEndpoint(s, ActionMailjetList, Mailjet{ListID: 12, ListAction: action, Properties: template(t, `{"last_rule": "{{.rule}}"}`)}))
		d := b.one(trigger(1, "mail"))
		want := mailjettest.Contact{List: 12, Email: "anna@gmail.example", Action: action, Properties: map[string]any{"last_rule": "discount"}}
		if action == "" {
			want.Action = "addnoforce"
		}
		if got := s.Contacts(); d.Status != schemas.DeliveryStatusSucceeded || d.StatusCode != 201 || d.Action != "mailjet_list" || len(got) != 1 || !reflect.DeepEqual(got[0], want) {
			t.Errorf("%+v, %+v", d, got)
		}
	}
}

func TestMailjetAnswers(t *testing.T) {
	failing := func(status int) func(*mailjettest.Server) {
		return func(s *mailjettest.Server) { s.Fail(func(int, *http.Request, int) int { return status }) }
	}
	for _, tt := range []struct {
		name   string
		server func(*mailjettest.Server)
		change func(*Endpoint, *schemas.Trigger)
		status schemas.DeliveryStatus
		err    string
	}{
		{"template that is not there", nil, func(e *Endpoint, _ *schemas.Trigger) { e.Mailjet.TemplateID = 8 }, schemas.DeliveryStatusFailed, `Template ID "8" doesn't exist`},
		{"no address", nil, func(_ *Endpoint, tr *schemas.Trigger) { tr.Recipient = "" }, schemas.DeliveryStatusFailed, "set mailjet.to"},
		{"bad address", nil, func(_ *Endpoint, tr *schemas.Trigger) { tr.Recipient = "no address" }, schemas.DeliveryStatusFailed, "To is no address"},
		{"keys", nil, func(e *Endpoint, _ *schemas.Trigger) { e.Mailjet.PrivateKey = "another" }, schemas.DeliveryStatusFailed, "are these the API keys"},
		{"forbidden", failing(403), nil, schemas.DeliveryStatusFailed, "may the API key do this"},
		{"gone is of callbacks alone", failing(410), nil, schemas.DeliveryStatusFailed, "410"},
		{"too many", failing(429), nil, schemas.DeliveryStatusRetrying, "429"},
		{"down", failing(500), nil, schemas.DeliveryStatusRetrying, "500"},
		{"list that is not there", nil, func(e *Endpoint, _ *schemas.Trigger) {
			e.Action, e.Mailjet.TemplateID, e.Mailjet.ListID = ActionMailjetList, 0, 13
		}, schemas.DeliveryStatusFailed, "Object not found"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := mailjettest.Start(t)
			s.Templates(7)
			if tt.server != nil {
				tt.server(s)
			}
			e, tr := mailjetEndpoint(s, ActionMailjetSend, Mailjet{TemplateID: 7}), trigger(1, "mail")
			if tt.change != nil {
				tt.change(&e, tr)
			}
			b := newBench(t, nil, e)
			d := b.one(tr)
			if d.Status != tt.status || !strings.Contains(d.Error, tt.err) || len(s.Messages()) != 0 {
				t.Errorf("%s: %s", d.Status, d.Error)
			}
		})
	}
}

// A call that is repeated since its outcome was lost bears the same CustomID.
func TestMailjetRepeated(t *testing.T) {
	s := mailjettest.Start(t)
	s.Templates(7)
	s.Fail(func(n int, _ *http.Request, after int) int {
		if n == 0 && after != 0 {
			return http.StatusBadGateway // the mail is sent, the answer lost
		}
		return 0
	})
	b := newBench(t, nil, mailjetEndpoint(s, ActionMailjetSend, Mailjet{TemplateID: 7}))
	d := b.one(trigger(1, "mail"))
	if d.Status != schemas.DeliveryStatusRetrying {
		t.Fatalf("%+v", d)
	}
	b.tick(d.NextAttemptAt.Time())
	again := b.result(1, d.NextAttemptAt.Time())
	got := s.Messages()
	if len(again) != 1 || again[0].Status != schemas.DeliveryStatusSucceeded || again[0].Attempt != 2 || len(got) != 2 || got[0].CustomID != got[1].CustomID {
		t.Errorf("%+v, %+v", again, got)
	}
}
