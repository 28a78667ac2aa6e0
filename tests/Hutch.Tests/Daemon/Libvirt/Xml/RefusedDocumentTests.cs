using Hutch.Daemon.Libvirt.Xml;
using Hutch.Management;
using Xunit;

namespace Hutch.Tests.Daemon.Libvirt.Xml;

/// <summary>Documents that cannot be, and what their client is told.</summary>
public sealed class RefusedDocumentTests
{
    private const string Head = "<domain type='qemu'><name>a</name><os><type>hvm</type></os>";

    [Theory]
    [InlineData("", "(domain_definition):")]
    [InlineData("<domain", "(domain_definition):1:")]
    [InlineData("<!DOCTYPE a [<!ENTITY b 'c'>]><domain/>", "DTD")]
    [InlineData("<network/>", "unexpected root element <network>")]
    [InlineData("<domain><name>a</name><os><type>hvm</type></os></domain>", "missing domain type attribute")]
    [InlineData("<domain type='xen'><name>a</name><os><type>hvm</type></os></domain>", "Invalid value for attribute 'type' in element 'domain': 'xen'. Expected one of qemu, kvm")]
    [InlineData("<domain type='qemu'><os><type>hvm</type></os></domain>", "missing name information")]
    [InlineData("<domain type='qemu'><name>a/b</name><os><type>hvm</type></os></domain>", "cannot contain '/'")]
    [InlineData("<domain type='qemu'><name>a</name></domain>", "an os <type> must be specified")]
    [InlineData(Head + "<uuid>1</uuid></domain>", "malformed uuid element")]
    [InlineData(Head + "<memory unit='x'>1</memory></domain>", "unknown suffix 'x'")]
    [InlineData(Head + "<memory unit='E'>18446744073709551615</memory></domain>", "too large")]
    [InlineData(Head + "<memory>-1</memory></domain>", "Invalid value '-1' of element 'memory'")]
    [InlineData(Head + "<vcpu>99999</vcpu></domain>", "Invalid value '99999' of element 'vcpu'")]
    [InlineData(Head + "<vcpu current='3'>2</vcpu></domain>", "maxvcpus must not be less than current vcpus")]
    [InlineData(Head + "<devices><disk type='tape'><target dev='vda'/></disk></devices></domain>", "'tape'. Expected one of file, block")]
    [InlineData(Head + "<devices><disk type='file'/></devices></domain>", "missing target information")]
    [InlineData(Head + "<devices><disk type='file'><target dev='v'/></disk></devices></domain>", "Invalid harddisk device name: v")]
    [InlineData(Head + "<devices><interface type='bridge'/></devices></domain>", "No <source> 'bridge' attribute")]
    [InlineData(Head + "<devices><interface type='user'><mac address='1:2'/></interface></devices></domain>", "unable to parse mac address '1:2'")]
    [InlineData(Head + "<devices><interface type='user'><mac address='01:00:00:00:00:00'/></interface></devices></domain>", "multicast")]
    [InlineData(Head + "<devices><rng model='virtio'><backend model='random'/><address type='pci' slot='0x20'/></rng></devices></domain>", "'0x20'. Expected an integer from 0 to 31")]
    public void A_bad_document_is_named(string text, string part)
    {
        ManagementException refused = Assert.Throws<ManagementException>(() => DomainXml.Read(text));
        Assert.Equal(FailureKind.BadDocument, refused.Kind);
        Assert.Contains(part, refused.Message);
    }

    [Theory]
    [InlineData(Head + "<launchSecurity type='sev'/></domain>", "the element <launchSecurity> in <domain> is not supported")]
    [InlineData(Head + "<q:commandline xmlns:q='http://libvirt.org/schemas/domain/qemu/1.0'/></domain>", "the element <q:commandline> in <domain> is not supported")]
    [InlineData(Head + "<devices><shmem name='a'/></devices></domain>", "the element <shmem> in <devices> is not supported")]
    [InlineData(Head + "<devices><disk type='file' rawio='yes'><target dev='vda'/></disk></devices></domain>", "the attribute 'rawio' of <disk> of <devices> is not supported")]
    [InlineData(Head + "<devices><disk type='file'><geometry cyls='1'/><target dev='vda'/></disk></devices></domain>", "the element <geometry> in <disk> of <devices> is not supported")]
    [InlineData(Head + "<title>a</title><title>b</title></domain>", "the element <title> in <domain> is not supported more than once")]
    [InlineData(Head + "<devices><rng model='virtio'><backend model='random'><deep/></backend></rng></devices></domain>", "the element <deep> in <backend> of <rng> is not supported")]
    public void What_would_be_lost_is_refused(string text, string part)
    {
        ManagementException refused = Assert.Throws<ManagementException>(() => DomainXml.Read(text));
        Assert.Equal(FailureKind.Unsupported, refused.Kind);
        Assert.Contains(part, refused.Message);
    }

    [Fact]
    public void Size_and_depth_are_limited()
    {
        Assert.Contains("deeper than", Assert.Throws<ManagementException>(() => DomainXml.Read(string.Concat(System.Linq.Enumerable.Repeat("<a>", 100_000)))).Message);
        Assert.Contains("at most", Assert.Throws<ManagementException>(() => DomainXml.Read(new string(' ', XmlText.MostCharacters + 1))).Message);
        Assert.Contains("more than", Assert.Throws<ManagementException>(() => DomainXml.Read($"<domain>{string.Concat(System.Linq.Enumerable.Repeat("<a/>", XmlText.MostNodes))}</domain>")).Message);
    }

    [Fact]
    public void An_empty_element_is_kept_the_same_however_it_is_written() =>
        Assert.Equal(Assert.Single(DomainXml.Read(Head + "<pm><a/></pm></domain>").Kept), Assert.Single(DomainXml.Read(Head + "<pm><a></a></pm></domain>").Kept));

    [Fact]
    public void A_password_is_printed_only_where_it_may_be()
    {
        string text = DomainXml.WriteDevice(DomainXml.ReadDevice("<graphics type='vnc' port='-1' passwd='secret'/>"), new DomainXmlOptions { IsSecure = true });
        Assert.Equal("<graphics type='vnc' port='-1' passwd='secret'/>\n", text);
        Assert.DoesNotContain("secret", DomainXml.WriteDevice(DomainXml.ReadDevice(text), new DomainXmlOptions()));
    }

    [Fact]
    public void What_is_kept_is_printed_at_its_place_and_metadata_with_its_namespaces()
    {
        const string text = """
            <domain type='qemu'>
              <name>a</name>
              <metadata>
                <x:y xmlns:x="http://x/" z="1&quot;'">
                  <x:w>b &amp; 'c'</x:w>
                </x:y>
              </metadata>
              <memory unit='KiB'>1</memory>
              <blkiotune>
                <weight>800</weight>
              </blkiotune>
              <vcpu>1</vcpu>
              <os>
                <type>hvm</type>
              </os>
              <features>
                <hyperv mode='custom'>
                  <relaxed state='on'/>
                </hyperv>
              </features>
              <clock offset='utc'/>
              <pm>
                <suspend-to-mem enabled='no'/>
              </pm>
              <devices/>
              <seclabel type='none'/>
            </domain>

            """;
        Assert.Equal(text, DomainXml.Write(DomainXml.Read(text), new DomainXmlOptions()));
    }
}
