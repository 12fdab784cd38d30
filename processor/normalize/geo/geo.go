// Package geo tells where an IP address is, by a database in MaxMind's format
// that the user names.
package geo

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strings"

	"github.com/oschwald/maxminddb-golang/v2"
)

// Database is one that is open. It is safe for concurrent use; nil is one that
// knows nothing.
type Database struct{ reader *maxminddb.Reader }

// Place is where an address is; what is not known is empty.
type Place struct {
	Country string // ISO 3166 alpha-2, upper case
	Region  string // English name, or ISO 3166-2 code without the country
	City    string // English name
}

// record is what is read of a database's records, such as those of GeoLite2 City
// and Country and of what has the same form.
type record struct {
	Country struct {
		ISOCode string `maxminddb:"iso_code"`
	} `maxminddb:"country"`
	Subdivisions []struct {
		ISOCode string `maxminddb:"iso_code"`
		Names   names  `maxminddb:"names"`
	} `maxminddb:"subdivisions"`
	City struct {
		Names names `maxminddb:"names"`
	} `maxminddb:"city"`
}

type names struct {
	English string `maxminddb:"en"`
}

// Open reads a database. It is held in memory: a mapped file that somebody writes
// over would end the process. It is not read again when it changes.
func Open(file string) (*Database, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("reading the database of places: %w", err)
	}
	reader, err := maxminddb.OpenBytes(data)
	if err != nil {
		return nil, fmt.Errorf("%s is not a database in MaxMind's format (.mmdb, unpacked): %w", file, err)
	}
	db := &Database{reader}
	if err := db.check(); err != nil {
		return nil, fmt.Errorf("%s, of type %q: %w", file, reader.Metadata.DatabaseType, err)
	}
	return db, nil
}

// checked is how many networks are looked at for one with a country.
const checked = 10_000

// check tells whether records have the form that is understood.
func (db *Database) check() error {
	n := 0
	for network := range db.reader.Networks() {
		var r record
		if err := network.Decode(&r); err != nil {
			return fmt.Errorf("a record can't be read: %w: use GeoLite2 City or Country, or one of the same form", err)
		}
		if code(r.Country.ISOCode) != "" {
			return nil
		}
		if n++; n == checked {
			break
		}
	}
	return errors.New("no record has country.iso_code: use GeoLite2 City or Country, or one of the same form")
}

// Lookup tells where an address is. A text that is none is nowhere, and so is one
// whose record is damaged.
func (db *Database) Lookup(ip string) Place {
	if db == nil || ip == "" {
		return Place{}
	}
	address, err := netip.ParseAddr(ip)
	if err != nil {
		return Place{}
	}
	var r record
	if err := db.reader.Lookup(address.Unmap().WithZone("")).Decode(&r); err != nil {
		return Place{}
	}
	place := Place{Country: code(r.Country.ISOCode), City: r.City.Names.English}
	if len(r.Subdivisions) > 0 { // the first is the largest
		if place.Region = r.Subdivisions[0].Names.English; place.Region == "" {
			place.Region = r.Subdivisions[0].ISOCode
		}
	}
	if place.Country == "" {
		return Place{}
	}
	return place
}

// code returns a country's code in upper case; "somewhere in Europe" and the like
// is none.
func code(s string) string {
	s = strings.ToUpper(s)
	if len(s) != 2 || s == "EU" || s == "AP" || s == "XX" || s == "ZZ" {
		return ""
	}
	return s
}
