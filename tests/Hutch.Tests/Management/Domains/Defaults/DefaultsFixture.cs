using System;
using Hutch.Daemon.Libvirt.Xml;
using Hutch.Management.Domains.Defaults;
using Hutch.Model.Domains;
using Hutch.Tests.Daemon.Libvirt.Xml;

namespace Hutch.Tests.Management.Domains.Defaults;

/// <summary>Definitions that are filled in the same in every run.</summary>
internal static class DefaultsFixture
{
    internal static readonly Guid Uuid = new("11111111-2222-3333-4444-555555555555");

    internal static DefaultsSource Source()
    {
        int cards = 0;
        return new DefaultsSource { NewUuid = static () => Uuid, NewMac = () => $"52:54:00:00:00:{cards++:x2}" };
    }

    internal static DomainDefinition Fill(DomainDefinition domain) => DomainDefaults.Fill(domain, Source());

    /// <summary>Fills in a document of a fixture.</summary>
    internal static DomainDefinition FillFile(string name) => Fill(DomainXml.Read(Fixture.Read(name)));

    /// <summary>Fills in a domain with some devices.</summary>
    internal static DomainDefinition FillDevices(string machine, string devices) =>
        Fill(DomainXml.Read($"<domain type='qemu'><name>a</name><memory>1024</memory><os><type machine='{machine}'>hvm</type></os><devices>{devices}</devices></domain>"));

    internal static string Inactive(DomainDefinition domain) => DomainXml.Write(domain, new DomainXmlOptions { IsInactive = true });
}
