// Reads a configuration of Vault's agent as the agent does, with the parser of
// HCL and the template engine that it is made of, and prints what its template
// makes of a secret.  Names are those of the agent's documentation.
//
// usage: agent file name=value ...

package main

import (
	"fmt"
	"os"
	"strings"
	"text/template"

	"github.com/hashicorp/hcl"
)

var known = map[string]string{
	"": "vault auto_auth template_config template",
	"vault": "address ca_cert ca_path client_cert client_key namespace " +
		"tls_server_name",
	"auto_auth": "method sink",
	"approle": "role_id_file_path secret_id_file_path " +
		"remove_secret_id_file_after_reading",
	"template_config": "exit_on_retry_failure static_secret_render_interval",
	"template": "source contents destination create_dest_dirs exec perms " +
		"backup error_on_missing_key left_delimiter right_delimiter " +
		"sandbox_path wait",
}

func die(values ...interface{}) {
	fmt.Fprintln(os.Stderr, values...)
	os.Exit(1)
}

// the only one of its name
func block(parent map[string]interface{}, name string) map[string]interface{} {
	list, ok := parent[name].([]map[string]interface{})
	if !ok || len(list) != 1 {
		die("no block, or several:", name)
	}
	return list[0]
}

func check(name string, values map[string]interface{}) map[string]interface{} {
	for field := range values {
		if !strings.Contains(" "+known[name]+" ", " "+field+" ") {
			die("unknown field in", name+":", field)
		}
	}
	return values
}

func main() {
	text, err := os.ReadFile(os.Args[1])
	if err != nil {
		die(err)
	}

	var file map[string]interface{}
	if err := hcl.Decode(&file, string(text)); err != nil {
		die(err)
	}

	check("", file)
	check("vault", block(file, "vault"))
	check("template_config", block(file, "template_config"))
	method := block(check("auto_auth", block(file, "auto_auth")), "method")
	check("approle", block(block(method, "approle"), "config"))
	config := check("template", block(file, "template"))

	data := map[string]interface{}{}
	for _, pair := range os.Args[2:] {
		name, value, _ := strings.Cut(pair, "=")
		data[name] = value
	}

	secret := func(path string) interface{} {
		return struct{ Data map[string]interface{} }{
			map[string]interface{}{"data": data}}
	}

	t := template.New("key").Funcs(template.FuncMap{"secret": secret})
	if config["error_on_missing_key"] == true {
		t = t.Option("missingkey=error")
	}

	t, err = t.Parse(config["contents"].(string))
	if err == nil {
		err = t.Execute(os.Stdout, nil)
	}
	if err != nil {
		die(err)
	}
}
