// One issuance by lego's library with its route53 provider, as its documentation shows the library's use
// (https://go-acme.github.io/lego/usage/library/).
//
//	peer SERVER FOLDER NAMESERVER KEYTYPE DOMAIN…
//
// The account is kept in FOLDER: the first run makes it, a later run knows it.
package main

import (
	"context"
	"crypto"
	"encoding/json"
	"errors"
	"log"
	"os"
	"path/filepath"

	"github.com/go-acme/lego/v5/acme"
	"github.com/go-acme/lego/v5/certcrypto"
	"github.com/go-acme/lego/v5/certificate"
	"github.com/go-acme/lego/v5/challenge/dns01"
	"github.com/go-acme/lego/v5/lego"
	"github.com/go-acme/lego/v5/providers/dns/route53"
	"github.com/go-acme/lego/v5/registration"
)

type user struct {
	key          crypto.Signer
	registration *acme.ExtendedAccount
}

func (u *user) GetEmail() string                       { return "admin@example.com" }
func (u *user) GetRegistration() *acme.ExtendedAccount { return u.registration }
func (u *user) GetPrivateKey() crypto.Signer           { return u.key }

func main() {
	if len(os.Args) < 6 {
		log.Fatal("peer SERVER FOLDER NAMESERVER KEYTYPE DOMAIN…")
	}
	if err := issue(os.Args[1], os.Args[2], os.Args[3], certcrypto.KeyType(os.Args[4]), os.Args[5:]); err != nil {
		log.Fatal(err)
	}
}

func issue(server, folder, nameserver string, keyType certcrypto.KeyType, domains []string) error {
	ctx := context.Background()
	resolver := dns01.NewOptions()
	resolver.RecursiveNameservers = []string{nameserver}
	dns01.SetDefaultClient(dns01.NewClient(resolver))

	account, err := load(folder)
	if err != nil {
		return err
	}
	config := lego.NewConfig(account)
	config.CADirURL = server
	client, err := lego.NewClient(config)
	if err != nil {
		return err
	}
	provider, err := route53.NewDNSProvider()
	if err != nil {
		return err
	}
	// The provider waits for INSYNC by itself; the zone's name servers cannot be asked on loopback.
	err = client.Challenge.SetDNS01Provider(provider, dns01.DisableAuthoritativeNssPropagationRequirement())
	if err != nil {
		return err
	}
	if account.registration == nil {
		options := registration.RegisterOptions{TermsOfServiceAgreed: true}
		account.registration, err = client.Registration.Register(ctx, options)
		if err != nil {
			return err
		}
		if err := save(folder, account); err != nil {
			return err
		}
	}
	request := certificate.ObtainRequest{Domains: domains, KeyType: keyType, Bundle: true, Profile: "classic"}
	issued, err := client.Certificate.Obtain(ctx, request)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(folder, "certificate.pem"), issued.Certificate, 0o600)
}

func load(folder string) (*user, error) {
	text, err := os.ReadFile(filepath.Join(folder, "account.pem"))
	if errors.Is(err, os.ErrNotExist) {
		key, err := certcrypto.GeneratePrivateKey(certcrypto.EC256)
		return &user{key: key}, err
	}
	if err != nil {
		return nil, err
	}
	key, err := certcrypto.ParsePEMPrivateKey(text)
	if err != nil {
		return nil, err
	}
	known := &acme.ExtendedAccount{}
	if text, err = os.ReadFile(filepath.Join(folder, "account.json")); err != nil {
		return nil, err
	}
	return &user{key: key, registration: known}, json.Unmarshal(text, known)
}

func save(folder string, account *user) error {
	text, err := json.Marshal(account.registration)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(folder, "account.json"), text, 0o600); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(folder, "account.pem"), certcrypto.PEMEncode(account.key), 0o600)
}
