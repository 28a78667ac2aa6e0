using System;
using System.Linq;
using System.Text.Json;
using Hutch.Daemon.Libvirt.Xml;
using Hutch.Model.Domains;
using Xunit;

namespace Hutch.Tests.Daemon.Libvirt.Xml;

public sealed class DomainXmlTests
{
    public static TheoryData<string> Printed => [.. Fixture.Names("server-out", "*.xml"), .. Fixture.Names("canonical", "*.xml")];

    public static TheoryData<string> All => [.. Fixture.Names("client-in", "domain--*.xml"), .. Fixture.Names("server-out", "*.xml"), .. Fixture.Names("canonical", "*.xml")];

    public static TheoryData<string> Devices => [.. Fixture.Names("client-in", "device--*.xml")];

    [Theory]
    [MemberData(nameof(Printed))]
    public void What_libvirt_printed_is_printed_again_to_the_letter(string name)
    {
        string text = Fixture.Read(name);
        int at = text.IndexOf(" id='", StringComparison.Ordinal);
        int? id = at >= 0 && at < text.IndexOf('\n', StringComparison.Ordinal) ? int.Parse(text[(at + 5)..text.IndexOf('\'', at + 5)]) : null;
        DomainXmlOptions options = new() { Id = id, IsInactive = id is null, IsMigratable = id is null && text.Contains("<backingStore/>", StringComparison.Ordinal) };
        Assert.Equal(text.TrimEnd(), DomainXml.Write(DomainXml.Read(text), options).TrimEnd());
    }

    [Theory]
    [MemberData(nameof(All))]
    public void Json_loses_nothing(string name)
    {
        DomainDefinition domain = DomainXml.Read(Fixture.Read(name));
        byte[] json = JsonSerializer.SerializeToUtf8Bytes(domain, DomainJson.Default.DomainDefinition);
        DomainDefinition again = JsonSerializer.Deserialize(json, DomainJson.Default.DomainDefinition)!;
        Assert.True(DomainJson.AreSame(domain, again));
        DomainXmlOptions live = new() { Id = 7, IsSecure = true };
        Assert.Equal(DomainXml.Write(domain, live), DomainXml.Write(again, live));
    }

    [Theory]
    [MemberData(nameof(All))]
    public void What_is_printed_reads_as_what_was_printed(string name)
    {
        DomainDefinition domain = DomainXml.Read(Fixture.Read(name));
        Assert.True(DomainJson.AreSame(domain, DomainXml.Read(DomainXml.Write(domain, new DomainXmlOptions { IsSecure = true }))));
    }

    [Theory]
    [MemberData(nameof(Devices))]
    public void A_device_is_read_alone_as_in_its_domain(string name)
    {
        DomainDevice device = DomainXml.ReadDevice(Fixture.Read(name));
        DomainDefinition domain = DomainXml.Read($"<domain type='qemu'><name>a</name><os><type>hvm</type></os><devices>{Fixture.Read(name)}</devices></domain>");
        Assert.True(DomainJson.AreSame(device, domain.Devices.Single()));
        Assert.True(DomainJson.AreSame(device, DomainXml.ReadDevice(DomainXml.WriteDevice(device, new DomainXmlOptions { IsSecure = true }))));
    }
}
