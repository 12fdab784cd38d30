package mailjettest

import (
	"fmt"
	"net/http"
	"net/mail"
	"slices"
	"strconv"
	"strings"
)

// Message is a mail that was taken.
type Message struct {
	To, From, Subject, CustomID string
	TemplateID                  int64
	Variables                   map[string]any
	Sandbox                     bool
}

// Contact is one that was managed: the last action of each list and address.
type Contact struct {
	List          int64
	Email, Action string
	Properties    map[string]any
}

// sending is what the account has of mails and contacts.
type sending struct {
	templates []int64
	lists     []int64
	messages  []Message
	contacts  []Contact
}

// Templates gives the account templates, each with a sender of its own.
func (s *Server) Templates(ids ...int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sending.templates = ids
}

// Lists gives the account contact lists.
func (s *Server) Lists(ids ...int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sending.lists = ids
}

// Messages are the mails that were taken.
func (s *Server) Messages() []Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.sending.messages)
}

// Contacts are those that were managed.
func (s *Server) Contacts() []Contact {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.sending.contacts)
}

type address struct{ Email, Name string }

// sendRequest is the documented body, as far as mails by templates go.
type sendRequest struct {
	Messages []struct {
		From             *address
		To               []address
		Subject          string
		TemplateID       int64
		TemplateLanguage bool
		Variables        map[string]any
		CustomID         string
	}
	SandboxMode bool
}

// send takes mails: of each it says what became of it, and as the API does it
// answers 400 where none was taken.
func (s *Server) send(r *http.Request, body []byte) (int, any) {
	var req sendRequest
	if err := read(r, body, &req); err != nil {
		return http.StatusBadRequest, sendProblem(http.StatusBadRequest, "mj-0031", err.Error())
	}
	if n := len(req.Messages); n < 1 || n > 50 {
		return http.StatusBadRequest, sendProblem(http.StatusBadRequest, "mj-0031", fmt.Sprintf("%d messages", n))
	}
	status := http.StatusBadRequest
	var said []any
	for i := range req.Messages {
		m := &req.Messages[i]
		problem := ""
		switch {
		case len(m.To) != 1 || !isAddress(m.To[0].Email):
			problem = "To is no address"
		case m.From != nil && !isAddress(m.From.Email):
			problem = "From is no address"
		case !slices.Contains(s.sending.templates, m.TemplateID):
			problem = fmt.Sprintf("Template ID %q doesn't exist for your account", strconv.FormatInt(m.TemplateID, 10))
		case !m.TemplateLanguage && m.Variables != nil:
			problem = "Variables without TemplateLanguage"
		}
		if problem != "" {
			said = append(said, map[string]any{"Status": "error", "Errors": []any{sendProblem(http.StatusBadRequest, "send-0010", problem)}})
			continue
		}
		status = http.StatusOK
		taken := Message{To: m.To[0].Email, Subject: m.Subject, CustomID: m.CustomID, TemplateID: m.TemplateID, Variables: m.Variables, Sandbox: req.SandboxMode}
		if m.From != nil {
			taken.From = m.From.Email
		}
		s.sending.messages = append(s.sending.messages, taken)
		n := len(s.sending.messages)
		said = append(said, map[string]any{
			"Status": "success", "CustomID": m.CustomID,
			"To": []any{map[string]any{"Email": taken.To, "MessageUUID": fmt.Sprint("uuid-", n), "MessageID": n, "MessageHref": fmt.Sprint("https://api.mailjet.com/v3/message/", n)}},
		})
	}
	return status, map[string]any{"Messages": said}
}

func isAddress(text string) bool {
	a, err := mail.ParseAddress(text)
	return err == nil && a.Address == text
}

func sendProblem(status int, code, message string) map[string]any {
	return map[string]any{"ErrorIdentifier": "00000000-0000-0000-0000-000000000000", "ErrorCode": code, "StatusCode": status, "ErrorMessage": message, "ErrorRelatedTo": []string{"To"}}
}

const (
	sendPath   = "/v3.1/send"
	listPrefix = "/v3/REST/contactslist/"
	listSuffix = "/managecontact"
)

// manage manages a contact of a list.
func (s *Server) manage(r *http.Request, body []byte) (int, any) {
	list, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimPrefix(r.URL.Path, listPrefix), listSuffix), 10, 64)
	if err != nil || !slices.Contains(s.sending.lists, list) {
		return http.StatusNotFound, "Object not found"
	}
	var req struct {
		Email, Name, Action string
		Properties          map[string]any
	}
	switch err := read(r, body, &req); {
	case err != nil:
		return http.StatusBadRequest, err.Error()
	case !isAddress(req.Email):
		return http.StatusBadRequest, "MJ18 Invalid email address: " + strconv.Quote(req.Email)
	case !slices.Contains([]string{"addforce", "addnoforce", "remove", "unsub"}, req.Action):
		return http.StatusBadRequest, "MJ08 Unknown action " + strconv.Quote(req.Action)
	}
	c := Contact{List: list, Email: req.Email, Action: req.Action, Properties: req.Properties}
	s.sending.contacts = slices.DeleteFunc(s.sending.contacts, func(other Contact) bool { return other.List == list && other.Email == c.Email })
	s.sending.contacts = append(s.sending.contacts, c)
	return http.StatusCreated, []any{map[string]any{"ContactID": len(s.sending.contacts), "Email": c.Email, "Action": c.Action, "Properties": c.Properties}}
}
