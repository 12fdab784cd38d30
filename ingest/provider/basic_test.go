package provider

import (
	"encoding/base64"
	"net/http"
	"testing"
	"time"
)

// TestBasicAuthentication shows credentials as they may be written: the scheme's
// name has no case, and only the first colon separates.
func TestBasicAuthentication(t *testing.T) {
	v, err := newBasicVerifier(Credentials{Username: "mj", Passwords: []string{"new:er", "old"}})
	if err != nil {
		t.Fatal(err)
	}
	encoded := func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }
	for header, want := range map[string]bool{
		"Basic " + encoded("mj:new:er"):       true,
		"basic " + encoded("mj:new:er"):       true,
		"BASIC " + encoded("mj:old"):          true,
		"Basic " + encoded("mj:old"):          true,
		"Basic " + encoded("mj:new"):          false,
		"Basic " + encoded("mj:new:er") + " ": false,
		"Basic " + encoded("mj:"):             false,
		"Basic " + encoded("mj"):              false,
		"Basic " + encoded("MJ:old"):          false,
		"Basic " + encoded(":old"):            false,
		"Basic":                               false,
		"Bearer " + encoded("mj:old"):         false,
		"":                                    false,
		encoded("mj:old"):                     false,
	} {
		r, _ := http.NewRequest(http.MethodPost, "/", nil)
		r.Header.Set("Authorization", header)
		got, err := v.Verify(r, nil, time.Now())
		if (err == nil) != want || want && got.Scheme != SchemeBasic {
			t.Errorf("%q: %+v, %v", header, got, err)
		}
	}
}
