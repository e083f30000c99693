# The agent renames a new file over the old one; nginx needs no reload.  It keeps
# the owner and the group of a file that is there, so make an empty one first:
#
#     install -m 0640 -o root -g www-data /dev/null /etc/nginx/katalo/production

vault {
  address = "https://vault.example:8200"
}

auto_auth {
  method "approle" {
    config = {
      role_id_file_path                   = "/etc/vault/role_id"
      secret_id_file_path                 = "/etc/vault/secret_id"
      remove_secret_id_file_after_reading = false
    }
  }
}

template_config {
  static_secret_render_interval = "1m"
}

# an empty file would revoke the key, so a missing one is an error; the old key
# is not kept beside the new one

template {
  contents             = "{{ with secret \"kv/katalo\" }}{{ .Data.data.key }}{{ end }}"
  destination          = "/etc/nginx/katalo/production"
  perms                = "0640"
  error_on_missing_key = true
  backup               = false
}
