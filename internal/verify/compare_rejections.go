package verify

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/posthorn/posthorn/schemas"
)

type rejectionKey struct {
	webhook schemas.ID
	index   int32
}

func (v *verifier) compareRejections(i int) error {
	want := map[rejectionKey][]*schemas.Rejection{}
	got := map[rejectionKey][]*schemas.Rejection{}
	check := v.report.check(checkRejections)
	err := v.refused.each(i, func(k kind, value []byte) error {
		r := new(schemas.Rejection)
		if err := r.DecodeAvro(value); err != nil {
			return err
		}
		key := rejectionKey{r.WebhookID, r.Index}
		switch {
		case k == kindExpectedRejection:
			want[key] = append(want[key], r)
		case v.covered(place{r.Partition, r.Offset}):
			got[key] = append(got[key], r)
		default:
			check.Skipped++
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("reading rejections of bucket %d: %w", i, err)
	}
	for k, w := range want {
		g := got[k]
		check.Expected += int64(len(w))
		check.Found += int64(len(g))
		if len(g) > len(w) && v.report.Later > 0 {
			check.Skipped += int64(len(g) - len(w)) // replayed after the cut
			continue
		}
		if len(g) != len(w) {
			note := v.report.surplus
			if len(g) < len(w) {
				note = v.report.missing
			}
			note(check, "webhook %s (%d:%d) index %d was refused %d times, want %d: %s", k.webhook, w[0].Partition, w[0].Offset, k.index, len(g), len(w), w[0].Reason)
			continue
		}
		// A record that was written twice was refused twice, in any order.
		slices.SortFunc(w, byPlace)
		slices.SortFunc(g, byPlace)
		for j := range w {
			if !sameRefusal(w[j], g[j]) {
				v.report.differ(check, "webhook %s index %d: %s", k.webhook, k.index, diff(w[j], g[j]))
			}
		}
	}
	for k, g := range got {
		if want[k] == nil {
			check.Found += int64(len(g))
			v.report.surplus(check, "webhook %s (%d:%d) index %d was refused (%s), but it can be read", k.webhook, g[0].Partition, g[0].Offset, k.index, g[0].Reason)
		}
	}
	return nil
}

func byPlace(a, b *schemas.Rejection) int {
	return cmp.Or(cmp.Compare(a.Partition, b.Partition), cmp.Compare(a.Offset, b.Offset))
}

// sameRefusal compares what does not depend on the wording.
func sameRefusal(a, b *schemas.Rejection) bool {
	return a.Reason == b.Reason && a.Field == b.Field && a.Tenant == b.Tenant && a.Account == b.Account &&
		a.Source == b.Source && a.Provider == b.Provider && a.Partition == b.Partition && a.Offset == b.Offset &&
		a.ReceivedAt == b.ReceivedAt
}
