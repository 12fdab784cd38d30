package provider

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestVerifyHMAC(t *testing.T) {
	const body = `{"type":"open"}`
	mac := hmac.New(sha256.New, []byte("s3cret"))
	mac.Write([]byte(body))
	sum := mac.Sum(nil)
	inHex, in64 := hex.EncodeToString(sum), base64.StdEncoding.EncodeToString(sum)
	one := []string{"s3cret"}
	for _, c := range []struct {
		name        string
		keys        []string
		value, body string
		fault       string
	}{
		{"hex", one, inHex, body, ""},
		{"upper case", one, strings.ToUpper(inHex), body, ""},
		{"base64", one, in64, body, ""},
		{"base64 without padding", one, strings.TrimRight(in64, "="), body, ""},
		{"base64 for URLs", one, base64.URLEncoding.EncodeToString(sum), body, ""},
		{"prefix", one, "sha256=" + inHex, body, ""},
		{"prefix and base64", one, "SHA256=" + in64, body, ""},
		{"version", one, "v1," + in64, body, ""},
		{"two signatures", one, "sha256=" + strings.Repeat("0", 64) + ", sha256=" + inHex, body, ""},
		{"second key", []string{"new", "s3cret"}, inHex, body, ""},
		{"other key", []string{"new"}, inHex, body, "does not fit"},
		{"changed body", one, inHex, body + "\n", "does not fit"},
		{"cut", one, inHex[:62], body, "no HMAC"},
		{"nonsense", one, "sha256=%%%", body, "no HMAC"},
		{"only a prefix", one, "sha256=", body, "no HMAC"},
		{"empty", one, " ", body, "missing"},
	} {
		v, err := JSON{}.Verifier(Credentials{Keys: c.keys, Header: "x-signature"})
		if err != nil {
			t.Fatal(err)
		}
		shown, err := v.Verify(&http.Request{Header: http.Header{"X-Signature": {c.value}}}, []byte(c.body), time.Now())
		var refused *AuthError
		switch {
		case c.fault == "" && (err != nil || shown.Scheme != SchemeHMAC):
			t.Errorf("%s: %+v, %v", c.name, shown, err)
		case c.fault != "" && (!errors.As(err, &refused) || !strings.Contains(err.Error(), c.fault)):
			t.Errorf("%s: %+v, %v, want a refusal with %q", c.name, shown, err, c.fault)
		}
	}
	for _, c := range []struct {
		creds Credentials
		field string
	}{
		{Credentials{Keys: one}, "header"}, {Credentials{Header: "X"}, "key"}, {Credentials{Header: "X", Keys: []string{""}}, "key"}, {Credentials{Passwords: one}, "username"},
	} {
		_, err := JSON{}.Verifier(c.creds)
		var wrong *CredentialError
		if !errors.As(err, &wrong) || wrong.Field != c.field {
			t.Errorf("%+v: %v, want a fault of %s", c.creds, err, c.field)
		}
	}
}

func FuzzHMAC(f *testing.F) {
	f.Add("k", "sha256="+strings.Repeat("0", 64), []byte("{}"))
	f.Add("k", "v1,"+strings.Repeat("A", 43)+"=", []byte("{}"))
	f.Fuzz(func(t *testing.T, key, value string, body []byte) {
		v, err := JSON{}.Verifier(Credentials{Keys: []string{key}, Header: "X-Signature"})
		if err != nil {
			return
		}
		shown, err := v.Verify(&http.Request{Header: http.Header{"X-Signature": {value}}}, body, time.Now())
		if (err == nil) == (shown == Verified{}) {
			t.Fatalf("%+v, %v", shown, err)
		}
	})
}
