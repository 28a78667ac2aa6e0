using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Reflection.Metadata;
using System.Reflection.PortableExecutable;
using System.Xml.Linq;
using Hutch.Tests.Tidy;
using Xunit;

namespace Hutch.Tests.Architecture;

/// <summary>Which assembly may reference which: the table of ARCHITECTURE.md. Core knows no device; devices know no engine.</summary>
public sealed class DependencyTests
{
    private static readonly Dictionary<string, string[]> MayReference = new()
    {
        ["Hutch.Host"] = [],
        ["Hutch.Model"] = [],
        ["Hutch.Core"] = ["Hutch.Host", "Hutch.Model"],
        ["Hutch.Cpu"] = ["Hutch.Core", "Hutch.Host", "Hutch.Model"],
        ["Hutch.Kvm"] = ["Hutch.Core", "Hutch.Host", "Hutch.Model"],
        ["Hutch.Block"] = ["Hutch.Host", "Hutch.Model"],
        ["Hutch.Net"] = ["Hutch.Host", "Hutch.Model"],
        ["Hutch.Devices"] = ["Hutch.Block", "Hutch.Core", "Hutch.Host", "Hutch.Model", "Hutch.Net"],
        ["Hutch.Management"] = ["Hutch.Host", "Hutch.Model"],
        ["Hutch.Daemon"] = ["Hutch.Host", "Hutch.Management", "Hutch.Model"],
        ["Hutch.Vmm"] = ["Hutch.Block", "Hutch.Core", "Hutch.Cpu", "Hutch.Devices", "Hutch.Host", "Hutch.Kvm", "Hutch.Model", "Hutch.Net"],
        ["Hutch.Cli"] = ["Hutch.Block", "Hutch.Host", "Hutch.Model"],
    };

    /// <summary>Packages that shipped assemblies use; each is a decision.</summary>
    private static readonly Dictionary<string, string[]> MayUsePackages = new()
    {
        ["Hutch.Cli"] = ["System.CommandLine"],
        ["Hutch.Cpu"] = ["Iced"],
    };

    public static TheoryData<string> Assemblies => [.. Names];

    private static IEnumerable<string> Names => Repository.Files("src", "*.csproj").Select(file => Path.GetFileNameWithoutExtension(file));

    [Theory]
    [MemberData(nameof(Assemblies))]
    public void A_project_references_only_what_the_table_allows(string assembly)
    {
        Assert.True(MayReference.ContainsKey(assembly), $"{assembly} is not in the table; an assembly is a decision (ARCHITECTURE.md).");
        XDocument project = Project(assembly);
        // Generators run in the compiler; nothing of them is in the assembly.
        Findings.None(project.Descendants("ProjectReference").Where(item => item.Attribute("OutputItemType")?.Value != "Analyzer").Select(item => Path.GetFileNameWithoutExtension(item.Attribute("Include")!.Value)).Except(MayReference[assembly]));
        IEnumerable<string> packages = project.Descendants("PackageReference").Where(item => item.Attribute("PrivateAssets")?.Value != "all").Select(item => item.Attribute("Include")!.Value);
        Findings.None(packages.Except(MayUsePackages.GetValueOrDefault(assembly, [])));
    }

    [Theory]
    [MemberData(nameof(Assemblies))]
    public void A_compiled_assembly_uses_only_what_the_table_allows(string assembly)
    {
        string name = Project(assembly).Descendants("AssemblyName").FirstOrDefault()?.Value ?? assembly;
        using PEReader file = new(File.OpenRead(Path.Combine(AppContext.BaseDirectory, $"{name}.dll")));
        MetadataReader metadata = file.GetMetadataReader();
        IEnumerable<string> used = metadata.AssemblyReferences.Select(handle => metadata.GetString(metadata.GetAssemblyReference(handle).Name)).Where(other => other.StartsWith("Hutch.", StringComparison.Ordinal));
        Findings.None(used.Except(MayReference[assembly]));
    }

    [Fact]
    public void Only_the_ground_engines_and_contracts_have_unsafe_code()
    {
        string[] allowed = ["Hutch.Host", "Hutch.Core", "Hutch.Kvm", "Hutch.Cpu"];
        Findings.None(Names.Where(assembly =>
            Project(assembly).Descendants("AllowUnsafeBlocks").Any(item => item.Value == "true") && !allowed.Contains(assembly)));
    }

    private static XDocument Project(string assembly) => XDocument.Parse(Repository.Text($"src/{assembly}/{assembly}.csproj"));
}
