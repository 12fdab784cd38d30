package delivery

import (
	"fmt"
	"net/http"
	"time"

	"github.com/posthorn/posthorn/schemas"
)

// What a call can do.
const (
	ActionCallback    = "callback"     // posts the trigger to a URL, as of Standard Webhooks
	ActionMailjetSend = "mailjet_send" // sends a mail by a template of Mailjet's
	ActionMailjetList = "mailjet_list" // adds a contact to one of Mailjet's lists, or removes it
)

// Actions lists what a call can do.
func Actions() []string { return []string{ActionCallback, ActionMailjetSend, ActionMailjetList} }

// action is what an endpoint's calls do. It is safe for concurrent use.
type action interface {
	name() string
	address() string // what is called, secrets included
	// request makes what is sent for a trigger at a time. The body depends on the
	// trigger alone. An error means that there is nothing to send, now or later; it
	// holds nothing secret.
	request(t *schemas.Trigger, at time.Time) (*request, error)
	// judge tells what an answer means, and what went wrong. The body is of up to
	// answerBytes.
	judge(resp *http.Response, body []byte) (verdict, string)
	answerBytes() int64
}

// request is what is sent.
type request struct {
	method, url string
	header      http.Header
	body        []byte
	secret      map[string]bool // headers, by canonical name, that nobody else may see
}

// action makes the endpoint's action; its problems name the field.
func (e *Endpoint) action(wrong func(field, format string, args ...any)) action {
	switch e.Action {
	case "", ActionCallback:
		return e.callback(wrong)
	case ActionMailjetSend, ActionMailjetList:
		if e.Mailjet == nil {
			wrong("mailjet", "missing; %s wants Mailjet's keys and what to do", e.Action)
			return nil
		}
		if len(e.Headers) > 0 {
			wrong("headers", "are of callbacks; Mailjet's API has no use for them")
		}
		if e.Action == ActionMailjetSend {
			return newMailjetSend(e.Mailjet, wrong)
		}
		return newMailjetList(e.Mailjet, wrong)
	}
	wrong("action", "%q; write one of %v", e.Action, Actions())
	return nil
}

// noBody is the error of a template that makes no body of a trigger.
func noBody(err error) error {
	return fmt.Errorf("the template makes no body of this trigger: %w", err)
}
