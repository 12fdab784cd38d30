package delivery

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/mail"
	"slices"
	"strings"
	"time"

	"github.com/posthorn/posthorn/internal/mailjetapi"
	"github.com/posthorn/posthorn/processor/delivery/body"
	"github.com/posthorn/posthorn/schemas"
)

// Mailjet says what a call does at Mailjet.
type Mailjet struct {
	PublicKey, PrivateKey string
	BaseURL               string // default: mailjetapi.BaseURL

	// Of ActionMailjetSend: the template that Mailjet has, from whom (empty: as the
	// template says), to whom (empty: the trigger's recipient), the subject (empty:
	// the template's), the variables (nil: none), and whether it is only checked.
	TemplateID          int64
	FromEmail, FromName string
	To                  string
	Subject             string
	Variables           *body.Template
	Sandbox             bool

	// Of ActionMailjetList: the list, one of mailjetapi.ListActions (empty: the
	// first), and properties of the contact (nil: they stay as they are).
	ListID     int64
	ListAction string
	Properties *body.Template
}

// maxMailjetAnswer is more than what Mailjet says of one message or contact.
const maxMailjetAnswer = 64 << 10

var errNoAddress = errors.New("the trigger names no address to act on: rules of campaigns have none, and a provider may not tell it")

// mailjet is what the actions share.
type mailjet struct {
	url           string
	authorization string
}

func newMailjet(m *Mailjet, path string, wrong func(field, format string, args ...any)) mailjet {
	if m.PublicKey == "" || m.PrivateKey == "" {
		wrong("mailjet", "public_key and private_key are missing; they are the API keys of the account")
	}
	base := m.BaseURL
	if base == "" {
		base = mailjetapi.BaseURL
	}
	if err := mailjetapi.CheckBaseURL(base); err != nil {
		wrong("mailjet.base_url", "%v", err)
	}
	return mailjet{
		url:           strings.TrimSuffix(base, "/") + path,
		authorization: "Basic " + base64.StdEncoding.EncodeToString([]byte(m.PublicKey+":"+m.PrivateKey)),
	}
}

func (m *mailjet) address() string { return m.url }

func (*mailjet) answerBytes() int64 { return maxMailjetAnswer }

func (m *mailjet) post(v any) (*request, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, noBody(err)
	}
	header := http.Header{}
	header.Set("Content-Type", "application/json")
	header.Set("Authorization", m.authorization)
	return &request{
		method: http.MethodPost, url: m.url, header: header, body: bytes.TrimSuffix(b.Bytes(), []byte("\n")),
		secret: map[string]bool{"Authorization": true},
	}, nil
}

// judgeError is the verdict on an error of mailjetapi.
func judgeError(err error) (verdict, string) {
	var api *mailjetapi.APIError
	switch {
	case err == nil:
		return succeeded, ""
	case errors.As(err, &api) && api.Transient():
		return retry, api.Error()
	}
	return refused, err.Error()
}

// mailjetSend sends a mail. Mailjet does not know that a call is repeated, but
// tells so: the mail's CustomID is the trigger's id.
type mailjetSend struct {
	mailjet
	message mailjetapi.SendMessage
	to      string
	sandbox bool
	values  *body.Template
}

func newMailjetSend(m *Mailjet, wrong func(field, format string, args ...any)) action {
	s := &mailjetSend{mailjet: newMailjet(m, mailjetapi.SendPath, wrong), to: m.To, sandbox: m.Sandbox, values: m.Variables}
	s.message = mailjetapi.SendMessage{TemplateID: m.TemplateID, TemplateLanguage: true, Subject: m.Subject}
	if m.TemplateID <= 0 {
		wrong("mailjet.template_id", "missing; it is the number of a template in Mailjet")
	}
	if m.FromEmail != "" {
		s.message.From = &mailjetapi.Address{Email: m.FromEmail, Name: m.FromName}
	} else if m.FromName != "" {
		wrong("mailjet.from", "has a name but no email; set both, or neither to send as the template says")
	}
	for field, address := range map[string]string{"mailjet.from.email": m.FromEmail, "mailjet.to": m.To} {
		if a, err := mail.ParseAddress(address); address != "" && (err != nil || a.Address != address) {
			wrong(field, "%q is no address; write such as anna@example.org", address)
		}
	}
	if m.ListID != 0 || m.ListAction != "" || m.Properties != nil {
		wrong("mailjet", "list_id, list_action and properties are of %s; remove them", ActionMailjetList)
	}
	checkObject("mailjet.variables", m.Variables, wrong)
	return s
}

// checkObject checks that a template makes an object.
func checkObject(field string, t *body.Template, wrong func(field, format string, args ...any)) {
	if t != nil && !t.IsObject() {
		wrong(field, "write names and values")
	}
}

func (*mailjetSend) name() string { return ActionMailjetSend }

func (s *mailjetSend) request(t *schemas.Trigger, _ time.Time) (*request, error) {
	m := s.message
	to := s.to
	if to == "" {
		to = t.Recipient
	}
	if to == "" {
		return nil, fmt.Errorf("%w; set mailjet.to to send to somebody else", errNoAddress)
	}
	m.To, m.CustomID = []mailjetapi.Address{{Email: to}}, t.TriggerID.String()
	if s.values != nil { // a nil in an interface would be null
		v, err := s.values.Value(t)
		if err != nil {
			return nil, noBody(err)
		}
		m.Variables = v
	}
	return s.post(mailjetapi.Send{Messages: []mailjetapi.SendMessage{m}, SandboxMode: s.sandbox})
}

func (*mailjetSend) judge(resp *http.Response, answer []byte) (verdict, string) {
	return judgeError(mailjetapi.SendError(resp.StatusCode, answer))
}

// mailjetList adds a contact to a list, or removes it. Done twice it is as if done
// once.
type mailjetList struct {
	mailjet
	action     string
	properties *body.Template
}

func newMailjetList(m *Mailjet, wrong func(field, format string, args ...any)) action {
	l := &mailjetList{mailjet: newMailjet(m, mailjetapi.ListPath(m.ListID), wrong), action: m.ListAction, properties: m.Properties}
	if m.ListID <= 0 {
		wrong("mailjet.list_id", "missing; it is the number of a contact list in Mailjet")
	}
	if l.action == "" {
		l.action = mailjetapi.ListActions()[0]
	}
	if !slices.Contains(mailjetapi.ListActions(), l.action) {
		wrong("mailjet.list_action", "%q; write one of %s", l.action, strings.Join(mailjetapi.ListActions(), ", "))
	}
	if m.TemplateID != 0 || m.FromEmail+m.FromName+m.To+m.Subject != "" || m.Variables != nil || m.Sandbox {
		wrong("mailjet", "template_id, from, to, subject, variables and sandbox are of %s; remove them", ActionMailjetSend)
	}
	checkObject("mailjet.properties", m.Properties, wrong)
	return l
}

func (*mailjetList) name() string { return ActionMailjetList }

func (l *mailjetList) request(t *schemas.Trigger, _ time.Time) (*request, error) {
	if t.Recipient == "" {
		return nil, errNoAddress
	}
	c := mailjetapi.ManageContact{Email: t.Recipient, Action: l.action}
	if l.properties != nil {
		v, err := l.properties.Value(t)
		if err != nil {
			return nil, noBody(err)
		}
		c.Properties = v
	}
	return l.post(c)
}

func (*mailjetList) judge(resp *http.Response, answer []byte) (verdict, string) {
	return judgeError(mailjetapi.RESTError(resp, answer))
}
