package geo

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/maxmind/mmdbwriter/mmdbtype"

	"github.com/posthorn/posthorn/processor/normalize/geo/geotest"
)

func TestLookup(t *testing.T) {
	coded := geotest.Country("CA")
	coded["subdivisions"] = mmdbtype.Slice{mmdbtype.Map{"iso_code": mmdbtype.String("QC")}}
	db, err := Open(geotest.Write(t, "Test-City", map[string]mmdbtype.DataType{
		"192.0.2.0/24":    geotest.City("FR", "Normandy", "Caen"),
		"198.51.100.0/24": geotest.Country("de"),
		"203.0.113.0/25":  coded,
		"203.0.113.128/25": mmdbtype.Map{
			"registered_country": mmdbtype.Map{"iso_code": mmdbtype.String("US")},
		},
		"2001:db8::/32": geotest.City("JP", "Tokyo", "Shibuya"),
		"100.64.0.0/10": geotest.City("EU", "Nowhere", "Nothing"),
	}))
	if err != nil {
		t.Fatal(err)
	}
	for ip, want := range map[string]Place{
		"192.0.2.17":         {"FR", "Normandy", "Caen"},
		"::ffff:192.0.2.17":  {"FR", "Normandy", "Caen"},
		"198.51.100.1":       {Country: "DE"},
		"203.0.113.1":        {Country: "CA", Region: "QC"},
		"203.0.113.200":      {},
		"2001:db8::1":        {"JP", "Tokyo", "Shibuya"},
		"2001:db8::1%eth0":   {"JP", "Tokyo", "Shibuya"},
		"100.64.0.1":         {},
		"10.0.0.1":           {},
		"2001:db9::1":        {},
		"":                   {},
		"somewhere":          {},
		"192.0.2.17, 10.0.1": {},
	} {
		if got := db.Lookup(ip); got != want {
			t.Errorf("%q: got %+v, want %+v", ip, got, want)
		}
	}
	if got := (*Database)(nil).Lookup("192.0.2.17"); got != (Place{}) {
		t.Errorf("no database says %+v", got)
	}
}

func TestOpenSaysWhatIsWrong(t *testing.T) {
	text := filepath.Join(t.TempDir(), "text.mmdb")
	if err := os.WriteFile(text, []byte("no database"), 0o600); err != nil {
		t.Fatal(err)
	}
	for file, want := range map[string]string{
		filepath.Join(t.TempDir(), "none.mmdb"): "no such file",
		text:                                    "not a database in MaxMind's format",
		geotest.Write(t, "Test-ASN", map[string]mmdbtype.DataType{
			"192.0.2.0/24": mmdbtype.Map{"autonomous_system_number": mmdbtype.Uint32(1)},
		}): `"Test-ASN": no record has country.iso_code`,
		geotest.Write(t, "flat", map[string]mmdbtype.DataType{
			"192.0.2.0/24": mmdbtype.Map{"country": mmdbtype.String("FR")},
		}): `"flat": a record can't be read`,
	} {
		if _, err := Open(file); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q", file, err, want)
		}
	}
}

// A file that is damaged anywhere gives an error or no place, nothing worse.
func TestDamagedDatabase(t *testing.T) {
	good, err := os.ReadFile(geotest.Write(t, "Test-City", map[string]mmdbtype.DataType{
		"192.0.2.0/24": geotest.City("FR", "Normandy", "Caen"), "2001:db8::/32": geotest.City("JP", "Tokyo", "Shibuya"),
	}))
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "damaged.mmdb")
	for i := 0; i < len(good); i += 7 {
		damaged := append([]byte(nil), good...)
		damaged[i] ^= 0xff
		if err := os.WriteFile(file, damaged, 0o600); err != nil {
			t.Fatal(err)
		}
		if db, err := Open(file); err == nil {
			db.Lookup("192.0.2.17")
			db.Lookup("2001:db8::1")
		}
	}
}

func BenchmarkLookup(b *testing.B) {
	networks := map[string]mmdbtype.DataType{}
	for i := range 16384 {
		networks[fmt.Sprintf("%d.%d.%d.0/24", 20+i>>12, i>>6&0x3f, i&0x3f)] = geotest.City([]string{"FR", "DE", "JP"}[i%3], fmt.Sprint("region ", i%500), fmt.Sprint("city ", i))
	}
	db, err := Open(geotest.Write(b, "Test-City", networks))
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		db.Lookup([]string{"20.1.2.3", "21.10.20.30", "22.7.7.7", "23.60.9.1", "10.0.0.1"}[i%5])
	}
}
