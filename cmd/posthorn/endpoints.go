package main

import (
	"errors"
	"fmt"

	"github.com/posthorn/posthorn/internal/config"
	"github.com/posthorn/posthorn/processor/delivery"
)

// endpoints are the configured ones as delivery wants them, secrets read.
func endpoints(cfg *config.Config) ([]delivery.Endpoint, error) {
	var list []delivery.Endpoint
	for i := range cfg.Endpoints {
		e, err := endpoint(&cfg.Endpoints[i])
		if err != nil {
			return nil, fmt.Errorf("endpoints[%d]: %w", i, err)
		}
		list = append(list, e)
	}
	return list, nil
}

func endpoint(from *config.Endpoint) (to delivery.Endpoint, err error) {
	to = delivery.Endpoint{
		Name: from.Name, URL: from.URL, AllowPrivate: from.AllowPrivate, Concurrency: from.Concurrency, Rate: from.Rate, Action: from.Action,
	}
	if to.Secrets, err = from.Secrets(); err != nil {
		return to, err
	}
	for name, s := range from.Headers {
		value, err := s.Value()
		if err != nil {
			return to, fmt.Errorf("headers.%s: %w", name, err)
		}
		if to.Headers == nil {
			to.Headers = map[string]string{}
		}
		to.Headers[name] = value
	}
	if to.Template, err = from.Template.Template(); err != nil {
		return to, fmt.Errorf("template: %w", err)
	}
	if from.Mailjet != nil {
		to.Mailjet, err = mailjetAction(from.Mailjet)
	}
	return to, err
}

func mailjetAction(from *config.Mailjet) (*delivery.Mailjet, error) {
	to := &delivery.Mailjet{
		BaseURL: from.BaseURL, TemplateID: from.TemplateID, To: from.To, Subject: from.Subject, Sandbox: from.Sandbox,
		ListID: from.ListID, ListAction: from.ListAction,
	}
	if from.From != nil {
		to.FromEmail, to.FromName = from.From.Email, from.From.Name
	}
	var err error
	if to.PublicKey, err = from.PublicKey.Value(); err != nil {
		return nil, fmt.Errorf("mailjet.public_key: %w", err)
	}
	if to.PrivateKey, err = from.PrivateKey.Value(); err != nil {
		return nil, fmt.Errorf("mailjet.private_key: %w", err)
	}
	if to.Variables, err = from.Variables.Template(); err != nil {
		return nil, fmt.Errorf("mailjet.variables: %w", err)
	}
	if to.Properties, err = from.Properties.Template(); err != nil {
		return nil, fmt.Errorf("mailjet.properties: %w", err)
	}
	return to, nil
}

// checkEndpoints tells what delivery has against endpoints of a configuration that
// is valid otherwise.
func checkEndpoints(cfg *config.Config) error {
	if cfg.Validate() != nil {
		return nil // said already
	}
	list, err := endpoints(cfg)
	for _, e := range list {
		err = errors.Join(err, e.Validate())
	}
	return err
}
