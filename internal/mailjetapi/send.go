package mailjetapi

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
)

// SendPath is where mails are sent, by version 3.1 of the Send API.
//
// https://dev.mailjet.com/email/guides/send-api-v31/
const SendPath = "/v3.1/send"

// Send is the body of a request to SendPath.
type Send struct {
	Messages    []SendMessage
	SandboxMode bool `json:",omitempty"` // checks, and sends nothing
}

// SendMessage is a mail by a template that Mailjet has.
type SendMessage struct {
	From             *Address `json:",omitempty"` // nil: the template's
	To               []Address
	Subject          string `json:",omitempty"` // empty: the template's
	TemplateID       int64
	TemplateLanguage bool // evaluate variables
	Variables        any  `json:",omitempty"`
	// CustomID comes back with every event of the mail, and finds it.
	CustomID string `json:",omitempty"`
}

// Address is somebody.
type Address struct {
	Email string
	Name  string `json:",omitempty"`
}

// ListPath is where one contact of a list is managed.
//
// https://dev.mailjet.com/email/reference/contacts/contact-list/
func ListPath(list int64) string {
	return "/v3/REST/contactslist/" + strconv.FormatInt(list, 10) + "/managecontact"
}

// ManageContact is the body of a request to ListPath.
type ManageContact struct {
	Email      string
	Action     string
	Properties any `json:",omitempty"`
}

// ListActions are what can be done with a contact of a list: addnoforce adds who
// has not unsubscribed, addforce also who has, unsub keeps the contact as
// unsubscribed, remove takes it out.
func ListActions() []string { return []string{"addnoforce", "addforce", "remove", "unsub"} }

// sendAnswer is the answer of SendPath: of each message, or one error for all.
type sendAnswer struct {
	Messages []struct {
		Status string
		Errors []sendError
	}
	sendError
}

type sendError struct {
	ErrorCode, ErrorMessage string
	StatusCode              int
	ErrorRelatedTo          []string
}

func (e *sendError) text() string {
	text := strings.TrimSpace(e.ErrorCode + " " + e.ErrorMessage)
	if len(e.ErrorRelatedTo) > 0 {
		text += " (" + strings.Join(e.ErrorRelatedTo, ", ") + ")"
	}
	return text
}

// SendError judges an answer of SendPath: nil where every message was taken. The
// status of a message's error stands for that of the answer, which may be 200.
func SendError(status int, body []byte) error {
	var a sendAnswer
	readable := json.Unmarshal(body, &a) == nil
	for _, m := range a.Messages {
		if m.Status == "success" {
			continue
		}
		e := &APIError{Status: status, Message: "the message has status " + strconv.Quote(m.Status)}
		var texts []string
		for _, one := range m.Errors {
			texts = append(texts, one.text())
			if one.StatusCode >= 300 {
				e.Status = one.StatusCode
			}
		}
		if len(texts) > 0 {
			e.Message = strings.Join(texts, "; ")
		}
		if e.Status < 300 {
			e.Status = http.StatusBadRequest // refused, whatever the answer's own status is
		}
		return e
	}
	switch {
	case status < 200 || status > 299:
		return &APIError{Status: status, Message: a.sendError.text()}
	case !readable || len(a.Messages) == 0:
		return &APIError{Status: status, Message: "it does not say what became of the message"}
	}
	return nil
}

// RESTError judges an answer of the REST API by its status: nil where it is a
// success.
func RESTError(resp *http.Response, body []byte) error {
	if resp.StatusCode >= 200 && resp.StatusCode < 300 {
		return nil
	}
	return apiError(resp, body)
}

// Transient tells whether the same request may succeed later.
func (e *APIError) Transient() bool {
	return e.Status == http.StatusTooManyRequests || e.Status == http.StatusRequestTimeout || e.Status >= 500
}
