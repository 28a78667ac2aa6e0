using System.IO;
using Hutch.Dev.DomainXmlFuzz;
using Hutch.Tests.Tidy;
using Xunit;

namespace Hutch.Tests.Daemon.Libvirt.Xml;

/// <summary>A short run of <c>./dev fuzz domain-xml</c>.</summary>
public sealed class DomainXmlFuzzTests
{
    [Fact]
    public void Damaged_documents_are_refused_or_keep_all_they_say()
    {
        StringWriter output = new();
        Assert.True(new DomainXmlFuzzCommand(Repository.Root).Run(2_000, 1, output) == 0, output.ToString());
    }
}
