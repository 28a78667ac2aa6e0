#!/bin/sh
# What busybox's DHCP client calls with what a server gave it: $interface, $ip, $subnet, $router, $dns, $domain, $mtu.
case $1 in
    deconfig) ifconfig "$interface" 0.0.0.0 ;;
    bound | renew)
        ifconfig "$interface" "$ip" netmask "${subnet:-255.255.255.0}" ${mtu:+mtu "$mtu"}
        while route del default dev "$interface"; do :; done 2>/dev/null
        for gateway in $router; do
            route add default gw "$gateway" dev "$interface"
        done
        {
            [ -z "$domain" ] || echo "search $domain"
            for server in $dns; do echo "nameserver $server"; done
        } >/etc/resolv.conf
        ;;
esac
