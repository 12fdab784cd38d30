package mailjetapi_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/posthorn/posthorn/internal/mailjetapi"
)

func TestSendError(t *testing.T) {
	for _, tt := range []struct {
		name, body string
		status     int
		problem    string
		transient  bool
	}{
		{"taken", `{"Messages":[{"Status":"success","To":[{"Email":"a@b.example","MessageID":1}]}]}`, 200, "", false},
		{"error inside a 200", `{"Messages":[{"Status":"error","Errors":[{"ErrorCode":"send-0008","StatusCode":403,"ErrorMessage":"no sender","ErrorRelatedTo":["From"]}]}]}`, 200, "403 Forbidden: send-0008 no sender (From)", false},
		{"error of load inside a 200", `{"Messages":[{"Status":"error","Errors":[{"StatusCode":503,"ErrorMessage":"later"}]}]}`, 200, "later", true},
		{"status nobody knows", `{"Messages":[{"Status":"queued?"}]}`, 200, `"queued?"`, false},
		{"several errors", `{"Messages":[{"Status":"error","Errors":[{"StatusCode":400,"ErrorMessage":"one"},{"StatusCode":400,"ErrorMessage":"two"}]}]}`, 400, "one; two", false},
		{"keys", `{"ErrorIdentifier":"x","ErrorCode":"mj-0015","StatusCode":401,"ErrorMessage":"API key authentication/authorization failure"}`, 401, "are these the API keys", false},
		{"not allowed", `{"ErrorMessage":"no"}`, 403, "may the API key do this", false},
		{"too many", ``, 429, "429", true},
		{"down", `<html>`, 502, "502", true},
		{"success that says nothing", `<html>`, 200, "does not say", false},
		{"success of nobody", `{"Messages":[]}`, 200, "does not say", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := mailjetapi.SendError(tt.status, []byte(tt.body))
			if tt.problem == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), tt.problem) {
				t.Fatalf("%v, want %s", err, tt.problem)
			}
			var api *mailjetapi.APIError
			if transient := errors.As(err, &api) && api.Transient(); transient != tt.transient {
				t.Errorf("transient: %v", transient)
			}
		})
	}
}

func TestRESTError(t *testing.T) {
	answer := func(status int) *http.Response {
		rec := httptest.NewRecorder()
		rec.WriteHeader(status)
		return rec.Result()
	}
	if err := mailjetapi.RESTError(answer(201), nil); err != nil {
		t.Error(err)
	}
	err := mailjetapi.RESTError(answer(404), []byte(`{"ErrorInfo":"","ErrorMessage":"Object not found","StatusCode":404}`))
	if err == nil || !strings.Contains(err.Error(), "404 Not Found: Object not found") {
		t.Error(err)
	}
}

// What is left out is not sent as null or empty, which the API would refuse.
func TestRequestsAreAsDocumented(t *testing.T) {
	for want, v := range map[string]any{
		`{"Messages":[{"To":[{"Email":"a@b.example"}],"TemplateID":7,"TemplateLanguage":true,"CustomID":"id"}]}`: mailjetapi.Send{Messages: []mailjetapi.SendMessage{
			{To: []mailjetapi.Address{{Email: "a@b.example"}}, TemplateID: 7, TemplateLanguage: true, CustomID: "id"}}},
		`{"Email":"a@b.example","Action":"unsub"}`: mailjetapi.ManageContact{Email: "a@b.example", Action: "unsub"},
	} {
		if got, err := json.Marshal(v); string(got) != want || err != nil {
			t.Errorf("%s, %v, want %s", got, err, want)
		}
	}
}
