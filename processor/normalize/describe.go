package normalize

import (
	"github.com/posthorn/posthorn/processor/normalize/client"
	"github.com/posthorn/posthorn/processor/normalize/geo"
	"github.com/posthorn/posthorn/schemas"
)

// describer fills in what a user agent and an address tell of who acted, where
// the provider does not. It is not safe for concurrent use.
type describer struct {
	clients *client.Cache
	places  *geo.Database // nil: none
}

// describe completes an event that this version of a decoder has read. A decoder
// may yield the same event again, with another recipient.
func (d *describer) describe(ev *schemas.Event, decoder int32) {
	ev.MapperVersion = decoder + client.Version
	ev.ClientName, ev.ClientOS, ev.DeviceType = client.Name(ev.ClientName), client.OS(ev.ClientOS), client.Device(ev.DeviceType)
	if ev.UserAgent != "" && (ev.ClientName == "" || ev.ClientOS == "" || ev.DeviceType == "") {
		c := d.clients.Parse(ev.UserAgent)
		fill(&ev.ClientName, c.Name)
		fill(&ev.ClientOS, c.OS)
		fill(&ev.DeviceType, c.Device)
	}
	// The address of a proxy or a scanner is not where the recipient is.
	if ev.Country == "" && ev.IP != "" && ev.Machine != schemas.MachineProxy && ev.Machine != schemas.MachineMachine {
		place := d.places.Lookup(ev.IP)
		ev.Country = place.Country
		if place.Country != "" && ev.Region == "" && ev.City == "" {
			ev.Region, ev.City = place.Region, place.City
		}
	}
}

func fill(field *string, found string) {
	if *field == "" {
		*field = found
	}
}
