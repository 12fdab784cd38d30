package provider

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestVerifyToken(t *testing.T) {
	header := Credentials{Header: "x-posthorn-key", Keys: []string{"new", "old"}}
	both := header
	both.Username, both.Passwords = "pm", []string{"pw"}
	bearer := Credentials{Keys: []string{"t0ken"}}
	for _, c := range []struct {
		name           string
		p              Provider
		creds          Credentials
		header, value  string
		user, password string
		scheme         string // empty: refused
	}{
		{"first key", Postmark{}, header, "X-Posthorn-Key", "new", "", "", SchemeToken},
		{"second key", Postmark{}, header, "X-Posthorn-Key", " old ", "", "", SchemeToken},
		{"wrong key", Postmark{}, header, "X-Posthorn-Key", "ol", "", "", ""},
		{"bearer in a header of one's own", Postmark{}, header, "X-Posthorn-Key", "Bearer old", "", "", ""},
		{"no key", Postmark{}, header, "X-Other", "old", "", "", ""},
		{"both", Postmark{}, both, "X-Posthorn-Key", "old", "pm", "pw", SchemeToken},
		{"both, wrong password", Postmark{}, both, "X-Posthorn-Key", "old", "pm", "px", ""},
		{"both, wrong key", Postmark{}, both, "X-Posthorn-Key", "x", "pm", "pw", ""},
		{"basic alone", Postmark{}, Credentials{Username: "pm", Passwords: []string{"pw"}}, "X", "", "pm", "pw", SchemeBasic},
		{"basic alone, wrong", Postmark{}, Credentials{Username: "pm", Passwords: []string{"pw"}}, "X", "", "pm", "p", ""},
		{"open", Postmark{}, Credentials{}, "X", "", "", "", SchemeNone},
		{"bearer", Brevo{}, bearer, "Authorization", "Bearer t0ken", "", "", SchemeToken},
		{"bearer in lower case", Brevo{}, bearer, "Authorization", "bearer  t0ken", "", "", SchemeToken},
		{"without the word", Brevo{}, bearer, "Authorization", "t0ken", "", "", SchemeToken},
		{"wrong bearer", Brevo{}, bearer, "Authorization", "Bearer token", "", "", ""},
		{"no bearer", Brevo{}, bearer, "Authorization", "Bearer ", "", "", ""},
		{"basic for a bearer", Brevo{}, bearer, "X", "", "t0ken", "t0ken", ""},
		{"header", Brevo{}, header, "X-Posthorn-Key", "new", "", "", SchemeToken},
		{"basic", Brevo{}, Credentials{Username: "b", Passwords: []string{"pw"}}, "X", "", "b", "pw", SchemeBasic},
		{"open", Brevo{}, Credentials{}, "X", "", "", "", SchemeNone},
	} {
		v, err := c.p.Verifier(c.creds)
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		r := &http.Request{Header: http.Header{}}
		r.Header.Set(c.header, c.value)
		if c.user != "" {
			r.SetBasicAuth(c.user, c.password)
		}
		shown, err := v.Verify(r, nil, time.Now())
		var refused *AuthError
		if c.scheme != "" && err != nil || c.scheme == "" && !errors.As(err, &refused) || shown.Scheme != c.scheme {
			t.Errorf("%s %s: %+v, %v", c.p.Name(), c.name, shown, err)
		}
		if err != nil && (strings.Contains(err.Error(), "old") || strings.Contains(err.Error(), "t0ken")) {
			t.Errorf("%s: the refusal tells the key: %v", c.name, err)
		}
	}
}

func TestTokenCredentials(t *testing.T) {
	for _, c := range []struct {
		p     Provider
		creds Credentials
		field string
	}{
		{Postmark{}, Credentials{Keys: []string{"k"}}, "header"},
		{Postmark{}, Credentials{Header: "X-Key"}, "key"},
		{Postmark{}, Credentials{Header: "X-Key", Keys: []string{" "}}, "key"},
		{Postmark{}, Credentials{Passwords: []string{"p"}}, "username"},
		{Brevo{}, Credentials{Header: "X-Key"}, "key"},
		{Brevo{}, Credentials{Keys: []string{"k"}, Username: "u", Passwords: []string{"p"}}, "username"},
	} {
		_, err := c.p.Verifier(c.creds)
		var wrong *CredentialError
		if !errors.As(err, &wrong) || wrong.Field != c.field {
			t.Errorf("%s %+v: %v, want a fault of %s", c.p.Name(), c.creds, err, c.field)
		}
	}
}

func TestAnswers(t *testing.T) {
	for _, c := range []struct {
		p    Answerer
		why  Refusal
		want int
	}{
		{Postmark{}, RefusedForged, 0}, {Postmark{}, RefusedTooLarge, 403}, {Postmark{}, RefusedBusy, 0},
		{Brevo{}, RefusedBusy, 429}, {Brevo{}, RefusedForged, 429}, {Brevo{}, RefusedUnasked, 429}, {Brevo{}, RefusedTooLarge, 0},
		{SES{}, RefusedBusy, 503}, {SES{}, RefusedForged, 503}, {SES{}, RefusedUnasked, 0}, {SES{}, RefusedTooLarge, 0},
	} {
		if got := c.p.Answer(c.why); got != c.want {
			t.Errorf("%T answers %d to %d, want %d", c.p, got, c.why, c.want)
		}
	}
}

func FuzzToken(f *testing.F) {
	f.Add("X-Key", "k", "k")
	f.Add("Authorization", "t", "Bearer t")
	f.Fuzz(func(t *testing.T, header, key, value string) {
		v, err := newTokenVerifier(Credentials{Keys: []string{key}, Header: header}, header)
		if err != nil {
			return
		}
		r := &http.Request{Header: http.Header{}}
		r.Header.Set(header, value)
		if shown, err := v.Verify(r, nil, time.Now()); (err == nil) == (shown == Verified{}) {
			t.Fatalf("%+v, %v", shown, err)
		}
	})
}
