package spool

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/google/uuid"
)

// idFile holds the spool's id.
const idFile = "ID"

// ID returns what tells this spool from any other: a random UUID, made when it is
// asked for first and kept in the spool's directory.
func (s *Spool) ID() (string, error) {
	f, err := s.fs.Open(s.path(idFile))
	if err == nil {
		text, err := io.ReadAll(io.LimitReader(f, 64))
		if err = errors.Join(err, f.Close()); err != nil {
			return "", fmt.Errorf("reading the spool's id: %w", err)
		}
		id, err := uuid.Parse(string(text))
		if err == nil {
			return id.String(), nil
		}
		// Torn by a crash: it was of no use yet, since it is used once it is synced.
	} else if !errors.Is(err, os.ErrNotExist) {
		return "", fmt.Errorf("reading the spool's id: %w", err)
	}
	return s.makeID()
}

func (s *Spool) makeID() (string, error) {
	id := uuid.NewString()
	f, err := s.fs.Create(s.path(idFile), "posthorn-spool")
	if err == nil {
		_, err = f.Write([]byte(id))
		err = errors.Join(err, f.Sync(), f.Close())
	}
	if err == nil {
		err = s.syncDir()
	}
	if err != nil {
		return "", fmt.Errorf("making the spool's id: %w", err)
	}
	return id, nil
}
