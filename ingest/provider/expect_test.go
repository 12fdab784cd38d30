package provider

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/posthorn/posthorn/schemas"
)

// decisive are fields that are compared even where nothing is expected in them.
var decisive = []string{"Type", "RecipientAmbiguous", "Machine", "First", "BounceClass", "RejectReason", "SMTPCode", "URL"}

// expect compares the fields of want that are set, and the decisive ones.
func expect(t *testing.T, got, want schemas.Event) {
	t.Helper()
	g, w := reflect.ValueOf(got), reflect.ValueOf(want)
	for i := range w.NumField() {
		name := w.Type().Field(i).Name
		if w.Field(i).IsZero() && !slices.Contains(decisive, name) {
			continue
		}
		if !reflect.DeepEqual(g.Field(i).Interface(), w.Field(i).Interface()) {
			t.Errorf("%s is %v, want %v", name, g.Field(i).Interface(), w.Field(i).Interface())
		}
	}
}

// wantIDs compares event ids with what they have always been.
func wantIDs(t *testing.T, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("event ids are %q, want %q", got, want)
	}
}

// summary tells what came of each element, briefly.
func summary(t *testing.T, p Provider, w *schemas.Webhook) string {
	t.Helper()
	var all []string
	for _, d := range outcomes(t, p, w) {
		if d.err == nil {
			all = append(all, fmt.Sprint(d.index, " ok"))
			continue
		}
		if d.err.Detail == "" {
			t.Errorf("no detail: %v", d.err)
		}
		all = append(all, fmt.Sprint(d.index, " ", d.err.Reason, " ", d.err.Field))
	}
	return strings.Join(all, "; ")
}
