package analytics

import (
	"net/http"
	"time"
)

// zoneOf reads the parameter tz; the standard is the tenant's own zone.
func (a *API) zoneOf(r *http.Request) (string, *time.Location, error) {
	name := r.URL.Query().Get("tz")
	if name == "" {
		return a.cfg.TimeZone.String(), a.cfg.TimeZone, nil
	}
	loc, err := time.LoadLocation(name)
	if err != nil || name == "Local" {
		return name, nil, badParam("tz", "want a time zone as Europe/Paris")
	}
	return name, loc, nil
}

// offsets returns where the zone's offset from UTC changes between from and to, in
// Unix seconds, and the offset from there on in seconds; the first one is from's.
func (g grid) offsets(from, to int64) (starts, offsets []int64) {
	starts, offsets = []int64{from}, []int64{g.offset(from)}
	for at := from; ; {
		_, end := g.local(at).ZoneBounds()
		if end.IsZero() || end.Unix() >= to {
			return starts, offsets
		}
		at = end.Unix()
		if offset := g.offset(at); offset != offsets[len(offsets)-1] {
			starts, offsets = append(starts, at), append(offsets, offset)
		}
	}
}
