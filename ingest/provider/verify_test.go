package provider

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

func TestVerifyBasic(t *testing.T) {
	one := Credentials{Username: "mj", Passwords: []string{"s3cret"}}
	two := Credentials{Username: "mj", Passwords: []string{"new", "s3cret"}}
	for _, c := range []struct {
		name           string
		creds          Credentials
		set            bool
		user, password string
		want           string // scheme; empty: refused
	}{
		{"right", one, true, "mj", "s3cret", SchemeBasic},
		{"old password during rotation", two, true, "mj", "s3cret", SchemeBasic},
		{"new password during rotation", two, true, "mj", "new", SchemeBasic},
		{"wrong password", one, true, "mj", "s3cre", ""},
		{"wrong user", one, true, "mk", "s3cret", ""},
		{"nothing sent", one, false, "", "", ""},
		{"empty sent", one, true, "", "", ""},
		{"user without any password configured", Credentials{Username: "mj"}, true, "mj", "", ""},
		{"open source", Credentials{}, false, "", "", SchemeNone},
		{"open source, credentials sent", Credentials{}, true, "a", "b", SchemeNone},
	} {
		r := httptest.NewRequest(http.MethodPost, "/", nil)
		if c.set {
			r.SetBasicAuth(c.user, c.password)
		}
		v, err := Mailjet{}.Verifier(c.creds)
		if err != nil {
			t.Fatal(err)
		}
		shown, err := v.Verify(r, nil, time.Now())
		scheme := shown.Scheme
		var refused *AuthError
		switch {
		case c.want != "" && (err != nil || scheme != c.want):
			t.Errorf("%s: got %q, %v", c.name, scheme, err)
		case c.want == "" && (!errors.As(err, &refused) || refused.Challenge == "" || scheme != ""):
			t.Errorf("%s: got %q, %v, want an AuthError", c.name, scheme, err)
		}
	}
}

func TestByName(t *testing.T) {
	if p, ok := ByName("mailjet"); !ok || p.Name() != "mailjet" {
		t.Errorf("mailjet: %v, %v", p, ok)
	}
	if _, ok := ByName("pigeon"); ok {
		t.Error("pigeon is a provider")
	}
}
