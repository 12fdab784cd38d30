package provider

import (
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"
)

// signStandard returns the headers of a body, signed with raw key bytes.
func signStandard(key []byte, id string, at time.Time, body string) http.Header {
	seconds := strconv.FormatInt(at.Unix(), 10)
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(id + "." + seconds + "." + body))
	h := http.Header{}
	h.Set("webhook-id", id)
	h.Set("webhook-timestamp", seconds)
	h.Set("webhook-signature", "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	return h
}

func TestVerifyStandardWebhooks(t *testing.T) {
	const body = `{"type":"email.sent"}`
	now := time.Unix(1772359200, 0)
	raw := []byte("0123456789abcdef01234567")
	secret := secretPrefix + base64.StdEncoding.EncodeToString(raw)
	good := func() http.Header { return signStandard(raw, "msg_1", now, body) }
	changed := func(name, value string) http.Header {
		h := good()
		if h.Set(name, value); value == "" {
			h.Del(name)
		}
		return h
	}
	svix := http.Header{}
	for k, v := range good() {
		svix[strings.Replace(k, "Webhook", "Svix", 1)] = v
	}
	public, private, _ := ed25519.GenerateKey(nil)
	asymmetric := changed("webhook-signature", "v1a,"+base64.StdEncoding.EncodeToString(ed25519.Sign(private, []byte("msg_1.1772359200."+body))))
	publicKey := publicKeyPrefix + base64.StdEncoding.EncodeToString(public)

	for _, c := range []struct {
		name   string
		keys   []string
		header http.Header
		body   string
		now    time.Time
		fault  string // part of the refusal; empty: accepted
	}{
		{"right", []string{secret}, good(), body, now, ""},
		{"svix", []string{secret}, svix, body, now, ""},
		{"second key", []string{"whsec_b3RoZXI=", secret}, good(), body, now, ""},
		{"second signature", []string{secret}, changed("webhook-signature", "v1,AAAA v2,x v1a,AAAA "+good().Get("webhook-signature")), body, now, ""},
		{"secret used as text", []string{"aha-secret"}, signStandard([]byte("aha-secret"), "msg_1", now, body), body, now, ""},
		{"secret used as text that is base64 as well", []string{"abcdefgh"}, signStandard([]byte("abcdefgh"), "msg_1", now, body), body, now, ""},
		{"secret in base64 without prefix", []string{strings.TrimPrefix(secret, secretPrefix)}, good(), body, now, ""},
		{"public key", []string{publicKey}, asymmetric, body, now, ""},
		{"just in time", []string{secret}, good(), body, now.Add(tolerance), ""},
		{"public key, v1", []string{publicKey}, good(), body, now, "does not fit"},
		{"public key, changed body", []string{publicKey}, asymmetric, body + " ", now, "does not fit"},
		{"other key", []string{"whsec_b3RoZXI="}, good(), body, now, "does not fit"},
		{"changed body", []string{secret}, good(), body + " ", now, "does not fit"},
		{"changed id", []string{secret}, changed("webhook-id", "msg_2"), body, now, "does not fit"},
		{"changed time", []string{secret}, changed("webhook-timestamp", "1772359201"), body, now, "does not fit"},
		{"stale", []string{secret}, good(), body, now.Add(tolerance + time.Second), "away from"},
		{"of the future", []string{secret}, good(), body, now.Add(-tolerance - time.Second), "away from"},
		{"no time", []string{secret}, changed("webhook-timestamp", "soon"), body, now, "no time"},
		{"without id", []string{secret}, changed("webhook-id", ""), body, now, "Webhook-Id is missing"},
		{"without time", []string{secret}, changed("webhook-timestamp", ""), body, now, "Webhook-Timestamp is missing"},
		{"without signature", []string{secret}, changed("webhook-signature", ""), body, now, "Webhook-Signature is missing"},
		{"no headers", []string{secret}, http.Header{}, body, now, "not signed"},
		{"malformed", []string{secret}, changed("webhook-signature", "v1 v1, ,, v1,%%% ="), body, now, "does not fit"},
		{"no version", []string{secret}, changed("webhook-signature", strings.TrimPrefix(good().Get("webhook-signature"), "v1,")), body, now, "does not fit"},
		{"many", []string{secret}, changed("webhook-signature", strings.Repeat("v1,AAAA ", 17)), body, now, "more than 16"},
		{"long id", []string{secret}, changed("webhook-id", strings.Repeat("x", 257)), body, now, "longer"},
	} {
		v, err := newStandardVerifier(Credentials{Keys: c.keys})
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		shown, err := v.Verify(&http.Request{Header: c.header}, []byte(c.body), c.now)
		var refused *AuthError
		switch {
		case c.fault == "" && (err != nil || shown != Verified{Scheme: SchemeStandardWebhooks, Token: "msg_1", Until: now.Add(tolerance)}):
			t.Errorf("%s: %+v, %v", c.name, shown, err)
		case c.fault != "" && (!errors.As(err, &refused) || !strings.Contains(err.Error(), c.fault) || shown != Verified{}):
			t.Errorf("%s: %+v, %v, want a refusal with %q", c.name, shown, err, c.fault)
		}
	}
}

func TestStandardWebhooksCredentials(t *testing.T) {
	for _, key := range []string{"", " ", "whsec_", "whsec_%", "whpk_", "whpk_AAAA", "whpk_%"} {
		_, err := newStandardVerifier(Credentials{Keys: []string{key}})
		var wrong *CredentialError
		if !errors.As(err, &wrong) || wrong.Field != "key" {
			t.Errorf("%q: %v", key, err)
		}
	}
	open, err := Resend{}.Verifier(Credentials{})
	if err != nil {
		t.Fatal(err)
	}
	if shown, err := open.Verify(&http.Request{}, nil, time.Now()); err != nil || shown.Scheme != SchemeNone {
		t.Errorf("open source: %+v, %v", shown, err)
	}
	if got := (Resend{}).Answer(RefusedRepeated); got != 200 {
		t.Errorf("what is repeated is answered with %d", got)
	}
}

func TestStandardWebhooksVector(t *testing.T) {
	var vector struct {
		Secret, Body string
		Headers      map[string]string
		SvixHeaders  map[string]string `json:"svix_headers"`
	}
	text := samples(t, "_signatures")["standard_webhooks.json"]
	if err := json.Unmarshal([]byte(text), &vector); err != nil {
		t.Fatal(err)
	}
	v, err := newStandardVerifier(Credentials{Keys: []string{vector.Secret}})
	if err != nil {
		t.Fatal(err)
	}
	for _, set := range []map[string]string{vector.Headers, vector.SvixHeaders} {
		h := http.Header{}
		for k, value := range set {
			h.Set(k, value)
		}
		if _, err := v.Verify(&http.Request{Header: h}, []byte(vector.Body), time.Unix(1614265330, 0)); err != nil {
			t.Errorf("%v: %v", set, err)
		}
	}
}

func FuzzStandardWebhooks(f *testing.F) {
	f.Add("whsec_AAAA", "msg", "1772359200", "v1,AAAA v1a,AAAA", []byte(`{}`))
	f.Add("whpk_"+strings.Repeat("A", 43)+"=", "msg", "1772359200", "v1a,"+strings.Repeat("A", 86)+"==", []byte(`{}`))
	f.Fuzz(func(t *testing.T, key, id, at, signature string, body []byte) {
		v, err := newStandardVerifier(Credentials{Keys: []string{key}})
		if err != nil {
			return
		}
		h := http.Header{"Svix-Id": {id}, "Svix-Timestamp": {at}, "Svix-Signature": {signature}}
		if shown, err := v.Verify(&http.Request{Header: h}, body, time.Unix(1772359200, 0)); (err == nil) == (shown == Verified{}) {
			t.Fatalf("%+v, %v", shown, err)
		}
	})
}
