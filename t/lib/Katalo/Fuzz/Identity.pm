package Katalo::Fuzz::Identity;

# Who a client is: directives that ask for it, headers that tell it, and the
# name that a request has by them.

use strict;
use warnings;

use Digest::SHA qw(sha256_hex);
use Exporter qw(import);
use MIME::Base64 qw(decode_base64 encode_base64);

our @EXPORT_OK = qw(consumer_directives access_directives password_file
                    credentials client_names name_of proven shown);

my %passwords = (alice => 'pw1', bob => 'pw2');


# What katalo_consumer may be.
sub consumer_directives {
    return map { "katalo_consumer $_" }
        ('$remote_user') x 5, ('$named') x 4, '$http_x_client', '"u-$named"',
        '"$named@$http_x_client"', '$who', '$named $remote_user',
        '$remote_user $named', '$ssl_client_s_dn', '$ssl_client_s_dn $named',
        '$1', '"c-$1" $named', '$seen', '$arg_a', '$cookie_sid $named',
        '$host', '$uri', '$remote_addr', ('off') x 2;
}


# Lists of directives of which one is chosen.
sub access_directives {
    my @basic = ('auth_basic g', 'auth_basic_user_file users');

    return (\@basic) x 5,
           ['auth_basic $realm', $basic[1]],
           [@basic, 'satisfy any', 'allow all'],
           [@basic, 'satisfy any', 'deny all'],
           ['auth_basic off'], ['auth_basic g'];
}


# {PLAIN}: a hash would take longer than all the rest of a request
sub password_file {
    return join '', map { "$_:{PLAIN}$passwords{$_}\n" } sort keys %passwords;
}


# Values of Authorization.
sub credentials {
    return ('Bearer clientcred1', 'Basic Yjpj',
            map { 'Basic ' . encode_base64($_, '') }
                ('alice:pw1') x 4, 'bob:pw2', 'alice:no', ':pw1', 'alice');
}


# Values of X-Client; what follows "n-" is the name by the map.
sub client_names {
    return ('n-shop', 'n-shop', 'n-shop', 'n-catalogue', 'n-', 'shop', '',
            'n-*', 'n-a"b\\c<b>', 'n-' . 'y' x 140, "n-\xe9\xff", 'n-__proto__',
            'n-' . 'z' x 95 . '~' . '0' x 32);
}


# The name of a request by the arguments of katalo_consumer; undef if it is not
# known here.
sub name_of {
    my ($arguments, $request) = @_;

    for my $value (split ' ', $arguments) {
        my $text = _value($value, $request);

        return if !defined $text;
        return shown($text) if length $text;
    }

    return '';
}


# A value; empty if all of its variables are.
sub _value {
    my ($value, $request) = @_;
    my %variable = (
        remote_user => _user($request), named => _named($request),
        http_x_client => _header($request, 'X-Client'), ssl_client_s_dn => '',
        arg_a => $request->{target} =~ /\?a=(\w+)/ ? "$1" : '',
        cookie_sid => _header($request, 'Cookie') =~ /sid=(\w+)/ ? "$1" : '',
        host => lc _header($request, 'Host'), remote_addr => '127.0.0.1');
    my $any = '';

    $value =~ s/^"(.*)"$/$1/;

    while ($value =~ /\$\{?(\w+)/g) {
        return if !defined $variable{$1};
        $any .= $variable{$1};
    }

    return '' if !length $any;
    return $value =~ s/\$\{?(\w+)\}?/$variable{$1}/gr;
}


sub _header {
    my ($request, $name) = @_;

    return (map { $_->[1] } grep { $_->[0] eq $name }
                                 @{ $request->{headers} })[0] // '';
}


sub _basic {
    my ($request) = @_;
    my ($text) = _header($request, 'Authorization') =~ /^Basic (.*)/ or return;

    return decode_base64($text) =~ /^([^:]*):(.*)$/s;
}


sub _user { return (_basic($_[0]))[0] // '' }


sub _named {
    my ($request) = @_;

    return _header($request, 'X-Client') =~ /^n-(.*)/s ? $1 : '';
}


# Has the client shown the password of its user?
sub proven {
    my ($request) = @_;
    my ($user, $password) = _basic($request);

    return defined $password && ($passwords{$user} // '') eq $password;
}


# A name as it is shown, in bytes.
sub shown {
    my ($text) = @_;
    my @parts = map { /[ -~]/ ? $_ : sprintf "\xc2\xa7%02x", ord }
                    split //, $text;

    @parts = ("\xc2\xa72a") if $text eq '*';

    my $name = join '', @parts;

    return $name if length $name <= 128
                    && !(length $name > 124 && $name =~ /~[0-9a-f]{32}$/);

    my $begin = '';

    for (@parts) {
        last if length($begin) + length > 95;
        $begin .= $_;
    }

    return "$begin~" . substr sha256_hex($text), 0, 32;
}

1;
