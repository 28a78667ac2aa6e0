namespace Hutch.Vmm;

internal static class Program
{
    private static int Main() => 1;
}
