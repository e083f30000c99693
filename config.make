# nginx's configure reads this once it has begun the Makefile.

ngx_katalo_dir=$ngx_addon_dir/ngx_http_katalo_module
ngx_katalo_page=$NGX_OBJS/ngx_http_katalo_status_page.h

cat << END                                                    >> $NGX_MAKEFILE

$NGX_OBJS/addon/ngx_http_katalo_module/ngx_http_katalo_status_html.o: \\
	$ngx_katalo_page

$ngx_katalo_page: $ngx_katalo_dir/status.html $ngx_katalo_dir/status.css \\
		$ngx_katalo_dir/status.js $ngx_katalo_dir/status.sed
	sed -e '/^<style>\$\$/r $ngx_katalo_dir/status.css' \\
	    -e '/^<script>\$\$/r $ngx_katalo_dir/status.js' \\
		$ngx_katalo_dir/status.html > $ngx_katalo_page.html
	sed -f $ngx_katalo_dir/status.sed $ngx_katalo_page.html \\
		> $ngx_katalo_page

END
